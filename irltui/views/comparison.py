"""A comparison as text: runs, configuration, final metrics, curves, samples side by side."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from textwrap import wrap
from typing import TYPE_CHECKING

from rich.text import Text

from irltui.benchmarks.comparison import Difference
from irltui.runs.events import Sample
from irltui.text import safe
from irltui.views.answers import Answers
from irltui.views.arms import Side
from irltui.views.curve_styles import CURVES_ON_DARK, LINES
from irltui.views.final_figures import ITEMS, SEEDS, Estimate
from irltui.views.numbers import between, figure, signed, signed_between
from irltui.views.text_charts import charts

if TYPE_CHECKING:
    from irltui.views.compared import Comparison

_NAME, _VALUE, _SHORTEST, _TEXT = 28, 40, 9, 600
_MARK = 3  # columns of a mark and the space behind it
_NARROWEST = 24  # columns that a text needs beside another one
Cells = Sequence[Sequence[Text]]


def comparison_text(comparison: Comparison, width: int) -> Iterator[Text]:
    sides = comparison.sides
    for number, side in enumerate(sides):
        yield Text.assemble(_mark(number), " ", (_name(side), "bold"), "  ", _about(side))
    yield from _section("Configuration: " + ("differs in" if comparison.differences else "same except for the seed"))
    yield from _differences(comparison.differences, sides, width)
    yield from _section("Final metrics")
    yield from _final(comparison, width)
    if drawn := charts([[run.history for run in side.runs] for side in sides], width):
        yield from _section("Curves")
        yield from drawn
    if comparison.answers:
        yield from _section("Samples, newest")
        for row in comparison.answers:
            yield from _answers(row, sides, width)


def _section(title: str) -> Iterator[Text]:
    yield Text("")
    yield Text(title, style="bold")


def _mark(number: int) -> Text:
    return Text(LINES[number % len(LINES)], style=CURVES_ON_DARK[number % len(CURVES_ON_DARK)])


def _name(side: Side) -> str:
    return _end(side.name, _NAME)


def _about(side: Side) -> str:
    run = side.runs[0]
    states = ", ".join(dict.fromkeys(safe(each.state, limit=20) for each in side.runs))
    steps = ", ".join(dict.fromkeys(str(each.history.step) for each in side.runs))
    seeds = f"seed{'s' if len(side.runs) > 1 else ''} {', '.join(safe(seed, limit=20) for seed in side.seeds)}"
    return f"{safe(run.config.get('algorithm', '?'), limit=20)}, {states}, step {steps}, {seeds}"


def _differences(found: Mapping[str, Sequence[str]], sides: Sequence[Side], width: int) -> Iterator[Text]:
    """Long values are clipped to fit beside each other; of a path the end is kept."""
    label = max(map(len, found), default=0)
    room = min(_VALUE, (width - label) // len(sides) - 2)
    room = room if room >= _SHORTEST else _VALUE
    rows = [
        [Text(safe(key, limit=60)), *(Text(_end(value, room)) for value in values)] for key, values in found.items()
    ]
    yield from _table(rows, sides, width)


def _end(text: str, room: int) -> str:
    shown = safe(text, limit=1_000)
    return shown if len(shown) <= room else f"…{shown[1 - room :]}"


def _final(comparison: Comparison, width: int) -> Iterator[Text]:
    rows = [
        [Text(safe(row.label, limit=60)), *(Text(_estimate(estimate)) for estimate in row.estimates)]
        for row in comparison.final
    ]
    yield from _table(rows, comparison.sides, width)
    overs = {e.over for row in comparison.final for e in row.estimates if e is not None}
    words = [f"over {over}" for over in (ITEMS, SEEDS) if over in overs]
    if words:
        yield Text(f"[low, high] n: 95 % interval {' or '.join(words)}", style="dim")
    against = [
        (row.label, number, difference)
        for row in comparison.final
        for number, difference in enumerate(row.against_first)
        if difference is not None
    ]
    if against:
        yield from _section(f"Difference from {_name(comparison.sides[0])} (paired by item)")
    for label, number, difference in against:
        name = _name(comparison.sides[number])
        yield Text.assemble(_mark(number), f" {name}  {safe(label, limit=60)}: ", _said(difference))


def _estimate(estimate: Estimate | None) -> str:
    if estimate is None:
        return "-"
    if not estimate.over:
        return figure(estimate.mean)
    return f"{figure(estimate.mean)}{between(estimate.low, estimate.high)} {estimate.n}"


def _said(difference: Difference) -> str:
    found, seeds = difference.interval, difference.by_seed
    by_seed = f"; by seed {', '.join(map(signed, seeds))}" if len(seeds) > 1 else ""
    verdict = {0: "no effect found", 1: "higher", -1: "lower"}[difference.verdict]
    return f"{signed(found.mean)}{signed_between(found.low, found.high)}{by_seed}: {verdict}"


def _table(rows: Cells, sides: Sequence[Side], width: int) -> Iterator[Text]:
    """Columns under the sides' marks; one line per value where the terminal is too narrow."""
    if not rows:
        return
    needed = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    spare = max(0, width - sum(needed) - 2 * len(needed)) // len(sides)
    rooms = [max(_SHORTEST, room + spare) - _MARK for room in needed[1:]]
    names = (_end(side.name, room) for side, room in zip(sides, rooms, strict=True))
    head = [Text(""), *(Text.assemble(_mark(i), " ", name) for i, name in enumerate(names))]
    widths = [max(cell.cell_len for cell in column) for column in zip(head, *rows, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) <= width:
        for row in (head, *rows):
            line = Text("  ").join(_padded(cell, room) for cell, room in zip(row, widths, strict=True))
            line.rstrip()
            yield line
        return
    for label, *values in rows:
        yield label
        for number, value in enumerate(values):
            yield Text.assemble("  ", _mark(number), " ", value)


def _padded(cell: Text, room: int) -> Text:
    found = cell.copy()
    found.pad_right(max(0, room - cell.cell_len))
    return found


def _answers(row: Answers, sides: Sequence[Side], width: int) -> Iterator[Text]:
    yield Text("")
    for line in wrap(safe(row.prompt, limit=400), width - 2):
        yield Text(f"> {line}", style="bold")
    texts = [(Text("demonstration", style="bold"), row.demonstration)]
    texts += [
        (
            Text.assemble(_mark(i), " ", (_name(side), "bold"), "  ", _reward(sample)),
            sample.generation if sample else "-",
        )
        for i, (side, sample) in enumerate(zip(sides, row.samples, strict=True))
    ]
    room = (width - 3 * (len(texts) - 1)) // len(texts)
    across = len(texts) if room >= _NARROWEST else 1
    room = (width - 3 * (across - 1)) // across
    columns = [_column(title, text, room) for title, text in texts]
    if across == 1:
        yield from (line for column in columns for line in column)
        return
    blank = Text("")
    for cells in zip_longest(*columns, fillvalue=blank):
        line = Text("   ").join(_padded(cell, room) for cell in cells)
        line.rstrip()
        yield line


def _column(title: Text, text: str, room: int) -> list[Text]:
    title = title.copy()
    title.truncate(room, overflow="ellipsis")
    lines = [piece for line in safe(text, lines=True, limit=_TEXT).splitlines() for piece in wrap(line, room) or [""]]
    return [title, *map(Text, lines)]


def _reward(sample: Sample | None) -> str:
    return f"r {figure(sample.reward)}" if sample is not None and sample.reward is not None else ""
