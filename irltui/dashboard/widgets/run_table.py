"""Tables with a column a run: how runs ended, where configurations differ. Columns shrink to the room there is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual.content import Content

from irltui.dashboard.content import shown, tail
from irltui.dashboard.palette import Ink
from irltui.views.curve_styles import LINES
from irltui.views.final_figures import Estimate, FinalRow
from irltui.views.numbers import between, figure

_LABEL, _VALUE, _NARROWEST = 24, 36, 5
_TAIL = 3  # columns of a name before its end that a narrow column gives to the mark
Row = Sequence[Content]


def name_of(number: int, name: str, dark: bool, room: int = _VALUE) -> Content:
    """A run's mark and name; of a long name the end, which tells more."""
    ink = Ink("#000000", dark)
    short = tail(name, max(1, room - _TAIL))
    return Content.assemble((LINES[number % len(LINES)], ink.curve(number)), " ", shown(short, "bold"))


def final_table(rows: Sequence[FinalRow], names: Sequence[str], width: int, *, dark: bool) -> Content:
    """The final table; intervals where there is room for them."""
    for with_interval in (True, False):
        cells = [
            [shown(row.label, limit=_LABEL), *(_estimate(e, with_interval) for e in row.estimates)] for row in rows
        ]
        if not with_interval or _needed(cells) <= width:
            break
    return _table("at the end", cells, names, width, dark=dark)


def differences_table(found: Mapping[str, Sequence[str]], names: Sequence[str], width: int, *, dark: bool) -> Content:
    """Keys and values; each key on a line of its own where values would be cut."""
    title = "differs in" if found else "same configuration"
    cells = [[shown(key, "$primary"), *(shown(v, limit=_VALUE) for v in values)] for key, values in found.items()]
    if not cells or _needed(cells) <= width:
        return _table(title, cells, names, width, dark=dark)
    lines = [Content.styled(title, "bold")]
    for key, *values in cells:
        lines.append(key)
        marks = (name_of(i, "", dark, _TAIL) for i in range(len(values)))
        lines += [Content.assemble("  ", mark, value) for mark, value in zip(marks, values, strict=True)]
    return Content("\n").join(lines)


def _estimate(estimate: Estimate | None, with_interval: bool) -> Content:
    if estimate is None:
        return Content("-")
    if not (with_interval and estimate.over):
        return Content(figure(estimate.mean))
    return Content.assemble(figure(estimate.mean), (between(estimate.low, estimate.high), "$secondary"))


def _needed(cells: Sequence[Row]) -> int:
    return sum(max(cell.cell_length for cell in column) + 2 for column in zip(*cells, strict=True)) - 2


def _table(title: str, cells: Sequence[Row], names: Sequence[str], width: int, *, dark: bool) -> Content:
    wanted = [max((row[i].cell_length for row in cells), default=0) for i in range(1, len(names) + 1)]
    wanted = [max(room, min(len(name) + _TAIL, _VALUE)) for room, name in zip(wanted, names, strict=True)]
    label = max((row[0].cell_length for row in cells), default=len(title))
    between = 2
    left = width - label - between * len(names)
    if sum(wanted) > left:
        between = 1
        left = width - label - between * len(names)
        wanted = [max(_NARROWEST, min(room, left // max(1, len(names)))) for room in wanted]
    widths = [max(label, min(len(title), max(label, left - sum(wanted) + label))), *wanted]
    marks = [name_of(i, name, dark, room) for i, (name, room) in enumerate(zip(names, wanted, strict=True))]
    head = [Content.styled(title, "bold"), *marks]
    lines = [
        Content(" " * between).join(
            cell.truncate(room, ellipsis=True, pad=True) for cell, room in zip(row, widths, strict=True)
        )
        for row in (head, *cells)
    ]
    return Content("\n").join(lines)
