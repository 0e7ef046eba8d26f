"""What a person checks before trusting a run, as rows: what became of the data, the loss mask, cost, findings, options.

The command line prints these rows, the dashboard shows them before a run and while it works.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

from irltui.runs.data_report import DataReport, Lengths, MaskedRow, Tally
from irltui.runs.event_lines import read_as
from irltui.runs.metrics import MEMORY
from irltui.runs.thresholds import MOST_ROWS_LOST
from irltui.text import safe
from irltui.views.flat_config import flat
from irltui.views.numbers import bytes_, compact, duration, figure
from irltui.views.replay import Moment
from irltui.views.spans import Row, S, flow, wrapped

_ROWS, _LOG_LINES, _MOST_TOKENS = 2, 12, 512  # rows whose mask a check shows, lines of a log, tokens of a side
_SHORT_PROMPT = 60  # tokens of a prompt whose template was shown above
_LOSS = ("demonstration~35", "demonstration~18")  # neighbours differ, so that the borders of tokens show
_MARKS = {"warning": ("! ", "warn"), "note": ("· ", "muted")}
_BARS = " ▏▎▍▌▋▊▉█"
_NARROW = 60
_KINDS = 5  # of answers that one side gives more often
_DEFAULT = "default"
Found = Mapping[str, Any]


def check_rows(found: Found, config: Found, width: int) -> Iterator[Row]:
    """What `irltui check` finds, or a part of it; `config` is the configuration it looked at."""
    rows = [_looked(found, config, width)] if "data" in found else []
    rows += [_measured(found, width)] if "estimate" in found else []
    for row in chain(*rows):
        yield from wrapped(row, width)


def _looked(found: Found, config: Found, width: int) -> Iterator[Row]:
    report, prompt = read_as(DataReport, found["data"]), found["prompt"]
    yield from _section("Data")
    yield from data_rows(report, config, width)
    yield from _section("Lengths in tokens")
    yield from _histograms(found["rows"], width)
    yield from _section("Prompt as the sampler sees it")
    yield [S(f"{_s(prompt['id'])}, {prompt['tokens']} tokens; generations begin where it ends", "muted")]
    yield from flow([S(safe(prompt["text"][-700:], lines=True))], width)
    yield from _section("Loss mask: shaded tokens are trained on")
    for i, row in enumerate(found["masked"][:_ROWS]):
        yield from mask_rows(read_as(MaskedRow, row), i, len(found["masked"]), width, _SHORT_PROMPT)


def _measured(found: Found, width: int) -> Iterator[Row]:
    if probe := found["estimate"].get("probe"):
        yield from _section("Do demonstrations look like the model's own answers?")
        yield from _habits(probe["habits"], width)
    yield from _section("Cost")
    yield from _cost(found["estimate"], found["plan"])
    yield from _section("Findings")
    yield from _findings(found["findings"])


class Checked(NamedTuple):
    """What a check found: everything in rows, and what matters beside a form, by name."""

    rows: list[Row]
    facts: tuple[tuple[str, str], ...]


def checked(found: Found, config: Found, width: int) -> Checked:
    estimate = found["estimate"]
    of = f" of {bytes_(estimate['available'])}" if "available" in estimate else ""
    facts = [("memory", f"about {bytes_(estimate['memory']['peak'])}{of}")]
    if seconds := estimate.get("seconds"):
        facts.insert(0, ("time", f"about {duration(seconds['run'])} on this machine"))
    if probe := estimate.get("probe"):
        facts.append(("suggested", _s(probe["habits"]["algorithm"])))
    if warnings := sum(finding["level"] == "warning" for finding in found["findings"]):
        facts.append(("warnings", f"{warnings}: ctrl+l shows them"))
    return Checked(list(check_rows(found, config, width)), tuple(facts))


def data_rows(report: DataReport, config: Found, width: int) -> list[Row]:
    """What became of the rows of the data."""
    unused = f" (not read: {', '.join(map(_s, report.unused))})" if report.unused else ""
    counts = f"  {report.rows} rows: {report.train} train, {report.held_out} held out"
    return [
        [S(_s(report.source), "gap", "b"), S(counts)],
        [S(_s(report.columns) + unused, "muted")],
        [S(f"template: {_s(report.template)}   ends with "), S(_s(report.end_token), "gap", "b")],
        _lengths_row("tokens", ("mean", "median", "95 %", "longest", "limit"), width),
        _lengths_of("prompts", report.prompts, config, "max_prompt_tokens", width),
        _lengths_of("responses", report.responses, config, "max_response_tokens", width),
        *_losses(report),
    ]


def mask_rows(row: MaskedRow, at: int, count: int, width: int, most_prompt: int = _MOST_TOKENS) -> list[Row]:
    """One row of the data: its prompt without loss, its response with."""
    prompt, response = row.prompt[-most_prompt:], row.response[:_MOST_TOKENS]
    prompt_left, response_left = row.prompt_tokens - len(prompt), row.response_tokens - len(response)
    end = [] if row.ended else [S("  truncated: teaches nothing about stopping", "warn")]
    shaded = [S(_piece(piece), "gap", "u", _LOSS[i % 2]) for i, piece in enumerate(response)]
    return [
        [S(f"row {at + 1} of {count}  ", "foreground", "b"), S(safe(row.id, limit=40), "muted")],
        [S(f"prompt: {row.prompt_tokens} tokens, no loss", "muted")],
        *([[S(f"... {prompt_left} tokens", "muted")]] if prompt_left > 0 else []),
        *flow([S(_piece(piece), "muted") for piece in prompt], width),
        [S(f"response: {row.response_tokens} tokens, each with loss", "demonstration"), *end],
        *flow(shaded, width),
        *([[S(f"... {response_left} tokens", "muted")]] if response_left > 0 else []),
        [],
    ]


def config_rows(config: Found, origins: Found, *, everything: bool) -> list[Row]:
    """The resolved configuration, each value with who set it."""
    rows: list[Row] = []
    for key, value in flat(config).items():
        origin = str(origins.get(key, _DEFAULT))
        origin = "--set" if origin.startswith("--set ") else origin  # the rest stands before it
        if everything or origin != _DEFAULT:
            look = ("muted", "") if origin == _DEFAULT else ("gap", "b")
            shown = S(safe(value, limit=120), *look)
            rows.append([S(f"{safe(key, limit=60)} = "), shown, S(f"  {safe(origin, limit=60)}", "muted")])
    return rows or [[S("All values are defaults; a shows them.", "muted")]]


def unread_rows(log: Sequence[str]) -> list[Row]:
    """What can be said of a run that has told nothing of its data yet."""
    words = "No data report: the engine has not read the data yet, or is of an older irltui. Its log:"
    return [[S(words, "warn")], *([S(safe(text, limit=200), "muted")] for text in log[:_LOG_LINES])]


def spent_row(moment: Moment) -> Row:
    """What a run has cost so far, and how long it still takes."""
    memory = max((moment.last(name) for name in MEMORY if moment.has(name)), default=0.0)
    left = moment.seconds_left()
    parts = [f"memory {bytes_(memory)}"] if memory > 0 else []
    parts += [f"{duration(moment.elapsed)} for {moment.step} steps"] if moment.step and moment.elapsed else []
    parts += [f"about {duration(left)} left"] if left is not None else []
    return [S("so far: ", "muted"), S("  ".join(parts))] if parts else []


def _section(title: str) -> Iterator[Row]:
    yield []
    yield [S(title, "gap", "b")]


def _losses(report: DataReport) -> list[Row]:
    if not report.dropped and not report.truncated:
        return [[S("✓ no row was dropped or truncated", "good")]]
    lost = sum(tally.count for tally in report.dropped.values())
    many = lost > MOST_ROWS_LOST * report.rows
    rows = [_counted("dropped", *each, "bad" if many else "warn") for each in report.dropped.items()]
    if many:
        share = f"{lost / max(1, report.rows):.0%}"
        rows.append([S(f"!! {share} of the rows are lost: is that meant?", "bad", "b")])
    return rows + [_counted("truncated", *each, "warn") for each in report.truncated.items()]


def _counted(what: str, reason: str, tally: Tally, ink: str) -> Row:
    more = ", ..." if tally.count > len(tally.rows) else ""
    rows = f" (rows {', '.join(map(str, tally.rows))}{more})" if tally.rows else ""
    return [S(f"! {what} {tally.count}: ", ink, "b"), S(_s(reason)), S(rows, "muted")]


def _lengths_of(name: str, lengths: Lengths, config: Found, key: str, width: int) -> Row:
    data = config.get("data")
    limit = safe(data.get(key, "-"), limit=8) if isinstance(data, Mapping) else "-"
    figures = f"{lengths.mean:.0f}", str(lengths.median), str(lengths.p95), str(lengths.longest), limit
    return _lengths_row(name, figures, width)


def _lengths_row(name: str, cells: Sequence[str], width: int) -> Row:
    """A narrow one leaves out what the longest and the middle tell well enough."""
    kept = [cells[1], *cells[3:]] if width < _NARROW else cells
    return [
        S(f"{name:<10}", "muted"),
        S("".join(f"{text:>8}" for text in kept), "muted" if name == "tokens" else "gap"),
    ]


def _histograms(bins: Found, width: int) -> Iterator[Row]:
    for name in ("prompts", "responses"):
        yield [S(name, "muted")]
        counts, edges = bins[name]["counts"], bins[name]["edges"]
        most, room = max(counts), max(10, min(40, width - 24))
        for low, high, count in zip(edges, edges[1:], counts, strict=False):
            span = f"{low}-{high - 1}" if high - 1 > low else str(low)
            yield [S(f"  {span:<10}"), S(_bar(count / most * room), "demonstration"), S(f" {count}")]


def _bar(cells: float) -> str:
    eighths = round(8 * cells)
    return "█" * (eighths // 8) + (_BARS[eighths % 8] if eighths % 8 else "")


def _habits(habits: Found, width: int) -> Iterator[Row]:
    """How demonstrations and the model's own answers differ, and the method that this suggests."""
    auc = f"AUC {habits['auc']:.2f} (0.5: alike, 1: demonstrations are unlikelier)"
    among = f"{habits['among']:.0%} of demonstrations are as likely as 95 % of the model's own answers"
    yield [S(f"NLL per token under the start model: {auc}; {among}")]
    edges, room = habits["edges"], max(5, min(20, (width - 30) // 2))
    most = max(*habits["demonstrations"], *habits["own"])
    yield [S(f"  {'nats per token':<16}{'demonstrations':<{room + 6}}own answers", "muted")]
    for low, high, *counts in zip(edges, edges[1:], habits["demonstrations"], habits["own"], strict=False):
        bars = [f"{_bar(count / most * room)} {count}" for count in counts]
        left = S(f"{bars[0]:<{room + 6}}", "demonstration")
        yield [S(f"  {f'{low:.2f}-{high:.2f}':<16}"), left, S(bars[1], "generation")]
    for kind in (*habits["habits"], *habits["mirrored"])[:_KINDS]:
        shares = f"own {kind['own']:.0%}, demonstrations {kind['demonstrations']:.0%}"
        yield [S(f"{shares}: {'begins ' if kind['opening'] else ''}{safe(kind['text'], limit=160)!r}")]
    yield [S("suggested: ", "gap", "b"), S(_s(habits["algorithm"]), "good", "b"), S(f". {_s(habits['reason'])}")]


def _cost(estimate: Found, plan: Found) -> Iterator[Row]:
    share, memory = estimate["trained"] / estimate["parameters"], estimate["memory"]
    trained = "all trained" if share == 1 else f"{100 * share:.2g} % trained"
    yield [S(f"{compact(estimate['parameters'])} parameters, {trained}; {plan['outer_iterations']} outer iterations, "
             f"{plan['inner_steps']} inner steps")]  # fmt: skip
    where = f" of {bytes_(estimate['available'])} ({_s(estimate['device'])})" if "available" in estimate else ""
    yield [S("memory of a process: about "), S(bytes_(memory["peak"]), "gap", "b"), S(where)]
    parts, phases = (
        ", ".join(f"{name} {bytes_(value)}" for name, value in memory[key].items() if value)
        for key in ("parts", "phases")
    )
    yield [S(f"  always: {parts}; plus the largest of: {phases}", "muted")]
    if seconds := estimate.get("seconds"):
        each = ", ".join(f"{phase} {duration(seconds[phase])}" for phase in ("sample", "reference", "update"))
        on = f"time on {estimate['devices']} x {_s(estimate['device'])}: about "
        rest = f"; an outer iteration {duration(seconds['all'])} ({each})"
        yield [S(on), S(duration(seconds["run"]), "gap", "b"), S(rest)]
    if probe := estimate.get("probe"):
        seen = probe["seen"]
        ended = f"{seen['ended']} of {seen['generations']} generations ended within {seen['longest']} tokens"
        nll = f"demonstrations {figure(seen['demonstration_nll'])} nats per token"
        yield [S(f"probe: {ended}; {nll}; took {duration(probe['took'])}")]
    yield from ([S(f"  assumption: {_s(one)}", "muted")] for one in estimate["assumptions"])


def _findings(found: Sequence[Found]) -> Iterator[Row]:
    if not found:
        yield [S("✓ no warnings", "good")]
    for finding in found:
        mark, ink = _MARKS[finding["level"]]
        yield [S(f"{mark}{_s(finding['key'])}: ", ink, "b"), S(_s(finding["text"]))]
        if finding["remedy"]:
            yield [S(f"  {_s(finding['remedy'])}")]


def _s(value: object) -> str:
    return safe(value, limit=400)


def _piece(text: str) -> str:
    return safe(text.replace("\n", "↵\n"), lines=True, limit=200).expandtabs(4)
