"""Sections of the page besides charts and samples: runs, final metrics, health, configuration, reproduction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import PurePath
from shlex import quote
from statistics import fmean

from irltui import __version__
from irltui.benchmarks.comparison import Difference
from irltui.config.render import render_values
from irltui.report.markup import details, swatch, table, text
from irltui.runs.manifest import Manifest
from irltui.runs.metrics import METRICS
from irltui.views.alerts import counted, times
from irltui.views.arms import Side, side_differences
from irltui.views.effects import compared, planned, since_start, verdict
from irltui.views.final_figures import Estimate, FinalRow
from irltui.views.flat_config import flat, setting
from irltui.views.loaded_runs import ComparedRun
from irltui.views.numbers import between, duration, figure, number, signed
from irltui.views.replay import Moment

_MOST_ALERTS = 40
_VERDICTS = {0: "no effect found", 1: "higher", -1: "lower"}


def title(sides: Sequence[Side]) -> str:
    """What came of it, as one sentence."""
    if len(sides) == 1:
        pair = since_start(sides[0])
    else:
        base, other, wanted = planned(sides)
        pair = compared(sides, base, other, wanted)
    head = pair.head
    if head is None:
        return ", ".join(names(sides))
    base_name, other_name = (text(pair.sides[i].name, limit=80) for i in (pair.base, pair.other))
    label = text(head.label, limit=80)
    if len(sides) == 1:
        return f"{other_name}: {label} {number(head.base)} → {number(head.other)} since the start"
    found = f"{number(head.difference, sign=True)} [{number(head.low, sign=True)}, {number(head.high, sign=True)}]"
    return f"{other_name} against {base_name}: {label} {found}, {text(verdict(head).words)}"


def overview(sides: Sequence[Side]) -> str:
    return f'<div class="cards">{"".join(_card(i, side) for i, side in enumerate(sides))}</div>'


def final(rows: Sequence[FinalRow], sides: Sequence[Side]) -> str:
    """The final figures, their intervals, and differences between sides."""
    if len(sides) == 1:
        cells = [[_label(row), _first(row.name, sides[0]), _estimate(row.estimates[0])] for row in rows]
        head, labels = ["", "first", "last"], ["first", "last"]
    else:
        cells = [[_label(row), *(_estimate(estimate) for estimate in row.estimates)] for row in rows]
        head, labels = ["at the end", *_heads(sides)], list(names(sides))
    overs = dict.fromkeys(e.over for row in rows for e in row.estimates if e is not None and e.over)
    note = (
        f"<p class=note>Brackets: 95 % interval over {' or '.join(overs)}, followed by their number.</p>"
        if overs
        else ""
    )
    return table(head, cells, name="figures", labels=labels) + note + _differences(rows, sides)


def health(side: Side) -> str:
    """Last values beside healthy ones, losses of data, alerts and advice."""
    run = side.runs[0]
    moment = Moment(run.history)
    rows = [
        [
            f'<code title="{text(metric.means)}">{metric.name}</code>',
            figure(moment.last(metric.name)),
            text(metric.healthy),
        ]
        for metric in METRICS.values()
        if metric.healthy and moment.has(metric.name)
    ]
    parts = [table(["", "last", "healthy"], rows), _data(run), _alerts(run)]
    if run.history.damaged:
        parts.append(f"<p class=mark>{run.history.damaged} damaged lines of events.jsonl were skipped.</p>")
    return "".join(parts)


def configuration(sides: Sequence[Side], manifests: Sequence[Manifest]) -> str:
    """Differences between sides, then options that were set, then everything."""
    parts = []
    if len(sides) > 1:
        found = side_differences(sides)
        head = ["differs in", *_heads(sides)]
        rows = [[f"<code>{text(key)}</code>", *(text(v, limit=300) for v in values)] for key, values in found.items()]
        parts.append(table(head, rows) if found else "<p>The configurations are the same except for the seed.</p>")
    for side, manifest in zip(sides, manifests, strict=True):
        name = f" of {text(side.name, limit=80)}" if len(sides) > 1 else ""
        parts.append(details(f"Options that were set{name}", _set(side.runs[0], manifest), is_open=len(sides) == 1))
        whole = render_values(side.runs[0].config, manifest.origins)
        parts.append(details(f"The whole configuration{name}, as TOML", f"<pre>{text(whole, limit=60_000)}</pre>"))
    return "".join(parts)


def reproduce(sides: Sequence[Side], manifests: Sequence[Manifest]) -> str:
    """Commands that repeat the runs, and versions."""
    names = dict.fromkeys(name for manifest in manifests for name in manifest.versions)
    head = ["", *_heads(sides)]
    rows = [[text(name), *(text(m.versions.get(name, "-"), limit=80) for m in manifests)] for name in names]
    about = {"irltui": "irltui", "git": "git_revision", "platform": "platform", "host": "host", "folder": "folder"}
    rows = [
        [name, *(text(getattr(m, field) or "-", limit=200) for m in manifests)] for name, field in about.items()
    ] + rows
    rows.append(["began", *(_time(m.created) for m in manifests)])
    commands = [
        f"irltui run {text(quote(f'{PurePath(side.runs[0].folder.path.absolute()).name}/run.json'))} --out AGAIN"
        for side in sides
    ]
    first = manifests[0]
    packages = " ".join(f"{n}=={v}" for n, v in first.versions.items() if n != "python")
    steps = [
        f"pip install {text(f'irltui=={first.irltui} {packages}')}",
        *commands,
        "# or, from this page alone: save the whole configuration above as run.toml",
        "irltui run run.toml --out AGAIN",
    ]
    words = "The same machine, versions and data give the same weights; another machine rounds differently."
    return f"<pre>{chr(10).join(steps)}</pre><p>{words}</p>{details('Versions and machine', table(head, rows))}"


def made() -> str:
    return f"irltui {__version__}, {_time(datetime.now(UTC).timestamp())}"


def _card(number: int, side: Side) -> str:
    run, states = side.runs[0], dict.fromkeys(run.state for run in side.runs)
    advice = run.history.advice
    facts = {
        "algorithm": run.config.get("algorithm", "?"),
        "model": setting(run.config, "model", "name"),
        "data": setting(run.config, "data", "source"),
        "seeds" if len(side.runs) > 1 else "seed": ", ".join(side.seeds),
        "state": ", ".join(states),
        "steps": ", ".join(dict.fromkeys(f"{r.history.step} of {r.history.start.total_steps}" for r in side.runs)),
        "work": ", ".join(dict.fromkeys(duration(r.history.elapsed) for r in side.runs)),
    }
    listed = "".join(f"<dt>{name}</dt><dd>{text(value, limit=300)}</dd>" for name, value in facts.items())
    words = f"<p>{text(advice[-1].text, limit=600)}</p>" if advice else ""
    return f'<div class="card"><h3>{swatch(number)} {text(side.name, limit=120)}</h3><dl>{listed}</dl>{words}</div>'


def _label(row: FinalRow) -> str:
    known = METRICS.get(row.name)
    words = f' title="{text(f"{row.name}: {known.means}")}"' if known else ""
    return f"<span{words}>{text(row.label, limit=80)}</span>"


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    mean = figure(estimate.mean)
    if not estimate.over:
        return mean
    return f"{mean} <small>{between(estimate.low, estimate.high).strip()} {estimate.n}</small>"


def _first(name: str, side: Side) -> str:
    """The mean first value of a metric or a benchmark."""
    values = [found[0] for run in side.runs if (found := run.history.values(name))]
    return figure(fmean(values)) if values else "-"


def _heads(sides: Sequence[Side]) -> Iterator[str]:
    yield from (f"{swatch(i)} {text(side.name, limit=80)}" for i, side in enumerate(sides))


def _differences(rows: Sequence[FinalRow], sides: Sequence[Side]) -> str:
    cells = [
        [head, _label(row), *_difference(found)]
        for row in rows
        for head, found in zip(_heads(sides), row.against_first, strict=True)
        if found is not None
    ]
    if not cells:
        return ""
    title = f"<h3>Difference from {text(sides[0].name, limit=80)} (paired by item)</h3>"
    return title + table(["", "metric", "difference", "by seed", ""], cells)


def _difference(difference: Difference) -> tuple[str, str, str]:
    found = difference.interval
    seeds = ", ".join(map(signed, difference.by_seed)) if len(difference.by_seed) > 1 else ""
    interval = f"<small>{between(found.low, found.high, signed).strip()} {found.n}</small>"
    return f"{signed(found.mean)} {interval}", seeds, _VERDICTS[difference.verdict]


def _data(run: ComparedRun) -> str:
    if run.history.data is None:
        return ""
    data = run.history.data.report
    words = f"Data: {data.rows} rows, {data.train} to train on, {data.held_out} held out"
    losses = [
        f"{what} {tally.count}: {text(reason, limit=200)}"
        for what, rows in (("dropped", data.dropped), ("truncated", data.truncated))
        for reason, tally in rows.items()
    ]
    return f"<p>{words}{'; ' if losses else '; nothing dropped or truncated'}{'; '.join(losses)}.</p>"


def _alerts(run: ComparedRun) -> str:
    messages = counted(run.history.messages())
    if not messages:
        return "<p>No alerts.</p>"
    items = "".join(
        f'<li class="{message.level if message.level in {"advice", "critical"} else "warning"}">'
        f"<b>{text(message.level, limit=20)}</b>, step {message.step}: {text(message.text, limit=600)}"
        f"{times(count)}</li>"
        for message, count in messages[-_MOST_ALERTS:]
    )
    earlier = len(messages) - _MOST_ALERTS
    return (f"<p>{earlier} earlier alerts</p>" if earlier > 0 else "") + f'<ul class="alerts">{items}</ul>'


def _set(run: ComparedRun, manifest: Manifest) -> str:
    values = flat(run.config)
    rows = [
        [f"<code>{text(key)}</code>", text(values.get(key, "-"), limit=300), text(origin, limit=120)]
        for key, origin in manifest.origins.items()
    ]
    return table(["", "value", "set by"], rows)


def _time(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, OSError, ValueError, TypeError):
        return "?"


def names(sides: Sequence[Side]) -> Iterator[str]:
    yield from (text(side.name, limit=80) for side in sides)
