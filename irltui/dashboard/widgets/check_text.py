"""What a person checks before trusting a run, as lines: what became of the rows, one row's loss mask, what was set.

Pure: records in, content out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from irltui.dashboard.content import joined, shown
from irltui.runs.data_report import DataReport, Lengths, MaskedRow, Tally
from irltui.runs.metrics import MEMORY
from irltui.text import safe
from irltui.views.config_diff import flat
from irltui.views.numbers import bytes_, duration
from irltui.views.replay import Moment

_MANY = 0.1  # share of rows whose loss deserves a warning
_LOG_LINES = 12
_MOST_ROWS, _MOST_TOKENS = 8, 512  # that are shown, whatever the log holds
_DEFAULT = "default"
# Neighbouring tokens look different, so that their borders show; without colours the underline still says "loss".
_LOSS = ("underline on $success 35%", "underline on $success 18%")


def report_lines(data: DataReport, config: Mapping[str, Any], *, narrow: bool = False) -> list[Content]:
    """What became of the rows."""
    unused = f" (not read: {', '.join(data.unused)})" if data.unused else ""
    return [
        Content.assemble(shown(data.source, "bold"), f"  {data.rows} rows: "
                         f"{data.train} train, {data.held_out} held out"),
        shown(f"{data.columns}{unused}", "$secondary"),
        Content.assemble("template: ", shown(data.template, limit=60), "   ends with ", shown(data.end_token, "bold")),
        _table_line("tokens", ("mean", "median", "95 %", "longest", "limit"), narrow=narrow),
        _lengths("prompts", data.prompts, _limit(config, "max_prompt_tokens"), narrow=narrow),
        _lengths("responses", data.responses, _limit(config, "max_response_tokens"), narrow=narrow),
        *_losses(data),
    ]  # fmt: skip


def cost_line(moment: Moment) -> Content:
    """What the run has cost so far, and how long it still takes."""
    parts: list[Content | str] = []
    memory = max((moment.last(name) for name in MEMORY if moment.has(name)), default=0.0)
    if memory > 0:
        parts.append(f"memory {bytes_(memory)}")
    if moment.step and moment.elapsed:
        parts.append(f"{duration(moment.elapsed)} for {moment.step} steps")
    left = moment.seconds_left()
    if left is not None:
        parts.append(f"about {duration(left)} left")
    return Content("so far: ") + joined(parts) if parts else Content("")


def mask_lines(row: MaskedRow, number: int, count: int) -> list[Content]:
    """One row: its prompt without loss, its response with."""
    prompt, response = row.prompt[-_MOST_TOKENS:], row.response[:_MOST_TOKENS]
    prompt_left, response_left = row.prompt_tokens - len(prompt), row.response_tokens - len(response)
    end = (
        Content("")
        if row.ended
        else Content.styled("  cut: no end token, so nothing is learned about stopping", "$warning")
    )
    return [
        Content.assemble(
            (f"Loss mask, row {number + 1} of {count}", "bold"), "  ", shown(row.id, "$secondary", limit=40)
        ),
        Content.styled(f"── prompt: {row.prompt_tokens} tokens, no loss", "$secondary"),
        Content.assemble(
            (f"... {prompt_left} tokens\n" if prompt_left > 0 else "", "$secondary"),
            *((_piece(piece), "dim") for piece in prompt),
        ),
        Content.assemble((f"── response: {row.response_tokens} tokens, each with loss", "$success"), end),
        Content.assemble(
            *((_piece(piece), _LOSS[i % 2]) for i, piece in enumerate(response)),
            (f"\n... {response_left} tokens" if response_left > 0 else "", "$secondary"),
        ),
    ]


def config_lines(config: Mapping[str, Any], origins: Mapping[str, Any], *, everything: bool) -> list[Content]:
    """The resolved configuration, each value with who set it."""
    lines = []
    for key, value in flat(config).items():
        origin = str(origins.get(key, _DEFAULT))
        origin = "--set" if origin.startswith("--set ") else origin  # the rest stands before it
        if not everything and origin == _DEFAULT:
            continue
        style = "$secondary" if origin == _DEFAULT else "bold"
        lines.append(
            Content.assemble(
                shown(key, limit=60),
                " = ",
                shown(value, style, limit=120),
                "  ",
                shown(origin, "$secondary italic", limit=60),
            )
        )
    return lines or [Content.styled("All values are defaults; a shows them.", "$secondary")]


def without_report(log: list[str]) -> list[Content]:
    """What can be said of a run that has told nothing of its data yet."""
    lines = [
        Content.styled(
            "No data report: the engine has not read the data yet, or is of an older irltui. Its log:", "$warning"
        )
    ]
    return lines + [shown(text, "$secondary", limit=200) for text in log[:_LOG_LINES]]


def _losses(data: DataReport) -> list[Content]:
    if not data.dropped and not data.cut:
        return [Content.styled("✓ no row was dropped, none was cut", "$success")]
    lost = sum(tally.count for tally in data.dropped.values())
    many = lost > _MANY * data.rows
    lines = [_counted("dropped", *row, "bold $error" if many else "$warning") for row in data.dropped.items()]
    if many:
        lines.append(
            Content.styled(f"!! {lost / max(1, data.rows):.0%} of the rows are lost: is that meant?", "bold $error")
        )
    return lines + [_counted("cut", *row, "$warning") for row in data.cut.items()]


def _counted(what: str, reason: str, tally: Tally, style: str) -> Content:
    numbers = tally.rows[:_MOST_ROWS]
    more = ", ..." if tally.count > len(numbers) else ""
    rows = f" (rows {', '.join(map(str, numbers))}{more})" if numbers else ""
    return Content.assemble((f"! {what} {tally.count}: ", style), shown(reason, limit=120), (rows, "$secondary"))


def _lengths(name: str, lengths: Lengths, limit: str, *, narrow: bool) -> Content:
    figures = f"{lengths.mean:.0f}", str(lengths.median), str(lengths.p95), str(lengths.longest), limit
    return _table_line(name, figures, narrow=narrow)


def _table_line(name: str, cells: Sequence[str], *, narrow: bool) -> Content:
    """A line of the table of lengths; a narrow one leaves out what the longest and the middle tell well enough."""
    kept = [cells[1], *cells[3:]] if narrow else cells
    return Content(f"{name:<10}" + "".join(f"{text:>8}" for text in kept))


def _limit(config: Mapping[str, Any], key: str) -> str:
    data = config.get("data")
    return safe(data.get(key, "-"), limit=8) if isinstance(data, Mapping) else "-"


def _piece(text: str) -> str:
    return safe(text.replace("\n", "↵\n"), lines=True, limit=200).expandtabs(4)
