"""The findings of `irltui check` as text: rows with loss masks, prompts, memory and time, advice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from irltui.config.schema import RunConfig
from irltui.text import safe
from irltui.views.numbers import bytes_, compact, duration, figure

_ROWS, _SIDE, _PROMPT = 2, 700, 160  # rows whose mask is shown, characters of a side, and of a prompt seen before
_KINDS = 5  # of answers that one side gives more often
_LOSS = ("underline #e8ffe8 on #1f5f2f", "underline #e8ffe8 on #2f7f40")  # neighbours differ: borders of tokens show
_MARKS = {"warning": ("!", "bold yellow"), "note": ("·", "cyan")}
_BARS = " ▏▎▍▌▋▊▉█"
Found = Mapping[str, Any]


def check_text(found: Found, config: RunConfig, width: int) -> Iterator[Text]:
    yield from _section("Data")
    yield from _data(found["data"])
    yield from _section("Lengths in tokens")
    yield from _lengths(found, config, width)
    yield from _section("Prompt as the sampler sees it")
    prompt = found["prompt"]
    yield Text(f"{_s(prompt['id'])}, {prompt['tokens']} tokens; generations begin where it ends", style="dim")
    yield Text(_end(prompt["text"]))
    yield from _section("Loss mask (shaded tokens are trained on)")
    for row in found["masked"][:_ROWS]:
        yield from _masked(row)
    if "probe" in found["estimate"]:
        yield from _section("Do demonstrations look like the model's own answers?")
        yield from _habits(found["estimate"]["probe"]["habits"], width)
    yield from _section("Cost")
    yield from _cost(found)
    yield from _section("Findings")
    yield from _findings(found["findings"])


def _section(title: str) -> Iterator[Text]:
    yield Text("")
    yield Text(title, style="bold")


def _data(report: Found) -> Iterator[Text]:
    yield Text(f"{_s(report['source'])}: {report['rows']} rows, {report['train']} train, {report['held_out']} held out")
    unused = f" (not read: {', '.join(map(_s, report['unused']))})" if report["unused"] else ""
    yield Text(_s(report["columns"]) + unused)
    yield Text.assemble(
        f"chat template: {_s(report['template'])}; a response ends with ", (_s(report["end_token"]), "bold")
    )
    for what in ("dropped", "cut"):
        for reason, tally in report[what].items():
            rows = ", ".join(map(str, tally["rows"])) + (", ..." if tally["count"] > len(tally["rows"]) else "")
            yield Text(f"{what} {tally['count']}: {_s(reason)} (rows {rows})", style="yellow")
    if not report["dropped"] and not report["cut"]:
        yield Text("no row was dropped or truncated", style="green")


def _lengths(found: Found, config: RunConfig, width: int) -> Iterator[Text]:
    limits = {"prompts": config.data.max_prompt_tokens, "responses": config.data.max_response_tokens}
    for name, limit in limits.items():
        lengths, bins = found["data"][name], found["rows"][name]
        yield Text(
            f"{name}: mean {lengths['mean']:.0f}, median {lengths['median']}, 95 % {lengths['p95']}, "
            f"longest {lengths['longest']}, limit {limit}"
        )
        most, room = max(bins["counts"]), max(10, min(40, width - 24))
        for low, high, count in zip(bins["edges"], bins["edges"][1:], bins["counts"], strict=False):
            span = f"{low}-{high - 1}" if high - 1 > low else str(low)
            yield Text.assemble(f"  {span:<10}", (_bar(count / most * room), "cyan"), f" {count}")


def _bar(cells: float) -> str:
    eighths = round(8 * cells)
    return "█" * (eighths // 8) + (_BARS[eighths % 8] if eighths % 8 else "")


def _masked(row: Found) -> Iterator[Text]:
    end = "" if row["ended"] else "; truncated: teaches nothing about stopping"
    counts = (
        f"{row['prompt_tokens']} prompt tokens without loss, {row['response_tokens']} response tokens with loss{end}"
    )
    yield Text(f"{_s(row['id'])}: {counts}", style="dim")
    text = Text(_end("".join(row["prompt"]), _PROMPT), style="dim")
    shown = 0
    for i, piece in enumerate(row["response"]):
        if shown > _SIDE:
            text.append(" ...")
            break
        text.append(_piece(piece), style=_LOSS[i % 2])
        shown += len(piece)
    yield text


def _habits(habits: Found, width: int) -> Iterator[Text]:
    yield Text(
        f"NLL per token under the start model: AUC {habits['auc']:.2f} (0.5: alike, 1: demonstrations are unlikelier); "
        f"{habits['among']:.0%} of demonstrations are as likely as 95 % of the model's own answers"
    )
    edges, room = habits["edges"], max(5, min(20, (width - 30) // 2))
    most = max(*habits["demonstrations"], *habits["own"])
    yield Text(f"  {'nats per token':<16}{'demonstrations':<{room + 6}}own answers", style="dim")
    for low, high, *counts in zip(edges, edges[1:], habits["demonstrations"], habits["own"], strict=False):
        bars = [f"{_bar(count / most * room)} {count}" for count in counts]
        yield Text(f"  {f'{low:.2f}-{high:.2f}':<16}{bars[0]:<{room + 6}}{bars[1]}", style="cyan")
    for kind in (*habits["habits"], *habits["mirrored"])[:_KINDS]:
        shares = f"own {kind['own']:.0%}, demonstrations {kind['demonstrations']:.0%}"
        yield Text(f"{shares}: {'begins ' if kind['opening'] else ''}{safe(kind['text'], limit=_PROMPT)!r}")
    yield Text.assemble(("suggested: ", "bold"), (habits["algorithm"], "bold green"), f". {_s(habits['reason'])}")


def _cost(found: Found) -> Iterator[Text]:
    estimate, plan = found["estimate"], found["plan"]
    share = estimate["trained"] / estimate["parameters"]
    trained = "all trained" if share == 1 else f"{figure(share)} of them trained"
    yield Text(
        f"{compact(estimate['parameters'])} parameters, {trained}; {plan['outer_iterations']} outer iterations, "
        f"{plan['inner_steps']} inner steps"
    )
    memory = estimate["memory"]
    where = f" of {bytes_(estimate['available'])} ({_s(estimate['device'])})" if "available" in estimate else ""
    yield Text(f"memory of a process: about {bytes_(memory['peak'])}{where}")
    parts = [f"{name} {bytes_(value)}" for name, value in memory["parts"].items() if value]
    phases = [f"{name} {bytes_(value)}" for name, value in memory["phases"].items() if value]
    yield Text(f"  always: {', '.join(parts)}; plus the largest of: {', '.join(phases)}", style="dim")
    if "seconds" in estimate:
        seconds = estimate["seconds"]
        on = f"{estimate['devices']} x {_s(estimate['device'])}"
        yield Text(
            f"time on {on}: about {duration(seconds['run'])}; an outer iteration {duration(seconds['all'])} "
            f"(sample {duration(seconds['sample'])}, reference {duration(seconds['reference'])}, "
            f"update {duration(seconds['update'])})"
        )
    if "probe" in estimate:
        seen = estimate["probe"]["seen"]
        yield Text(
            f"probe: {seen['ended']} of {seen['generations']} generations ended within {seen['longest']} tokens; "
            f"demonstrations {figure(seen['demonstration_nll'])} nats per token; "
            f"took {duration(estimate['probe']['took'])}"
        )
    for assumption in estimate["assumptions"]:
        yield Text(f"  assumption: {_s(assumption)}", style="dim")


def _findings(found: Sequence[Found]) -> Iterator[Text]:
    if not found:
        yield Text("no warnings", style="green")
    for finding in found:
        mark, style = _MARKS[finding["level"]]
        yield Text.assemble((f"{mark} {_s(finding['key'])}: ", style), _s(finding["text"]))
        if finding["remedy"]:
            yield Text(f"  {_s(finding['remedy'])}")


def _s(value: object) -> str:
    return safe(value, limit=400)


def _end(text: str, most: int = _SIDE) -> str:
    """The end of a prompt identifies it."""
    return safe(text if len(text) <= most else f"... {text[-most:]}", lines=True, limit=2 * most)


def _piece(text: str) -> str:
    return safe(text.replace("\n", "↵\n"), lines=True, limit=200)
