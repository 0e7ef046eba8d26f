"""From curves to cells: a chart without a box, names at the ends of its lines, few round labels, a faint grid.

A cell knows its character, ink, ground and weight. Pure; knows no widget and no run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rich.cells import cell_len

from irltui.dashboard.widgets.lens import Lens
from irltui.dashboard.widgets.plotted import Frame, Plotted, on_log, y_range
from irltui.views import braille
from irltui.views.curves import Curve, between, thin, value_at
from irltui.views.numbers import EXPONENT, decimals, duration, number, small, ticks
from irltui.views.spans import clean

Cell = tuple[str, str, str, bool]
"""Character, ink, ground, bold."""
Cells = list[list[Cell]]
BLANK: Cell = (" ", "foreground", "background", False)
FREE = " ┈╌╎"
_CLOSEST = 6  # columns between two borders of outer iterations that are drawn
NARROWEST, LOWEST = 12, 3
_UNITS = {"step": "step", "tokens": "tokens", "elapsed": ""}


@dataclass(frozen=True)
class Area:
    """The part of the cells that holds curves, and the part of the plane that it shows; row 0 is the title."""

    left: int
    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]

    def dots_of(self, curve: Curve) -> Curve:
        """The curve in dots from the top left corner."""
        across = (2 * self.width - 1) / ((self.x[1] - self.x[0]) or 1.0)
        down = (4 * self.height - 1) / ((self.y[1] - self.y[0]) or 1.0)
        return Curve((curve.x - self.x[0]) * across + 0.5, (self.y[1] - curve.y) * down + 0.5)

    def column(self, x: float) -> int:
        """The column of cells that x falls into."""
        share = (x - self.x[0]) / ((self.x[1] - self.x[0]) or 1.0)
        return self.left + min(max(round(share * (2 * self.width - 1)), 0), 2 * self.width - 1) // 2

    def row(self, y: float) -> int:
        """The row of cells that y falls into."""
        share = (self.y[1] - y) / ((self.y[1] - self.y[0]) or 1.0)
        return 1 + min(max(round(share * (4 * self.height - 1)), 0), 4 * self.height - 1) // 4

    @property
    def right(self) -> int:
        """The column behind the last one."""
        return self.left + self.width


@dataclass(frozen=True)
class End:
    """Name and value at the end of a line, or under the crosshair."""

    name: str
    text: str
    ink: str
    y: float
    wide: bool


def draw(
    curves: Sequence[Plotted], frame: Frame, lens: Lens, size: tuple[int, int], glyphs: Sequence[str], focused: bool
) -> Cells:
    width, height = size
    cells = [[BLANK] * width for _ in range(height)]
    if lens.log:
        curves, frame = on_log(curves, frame)
    low, high = frame.extent
    shown_x = low + (high - low) * lens.low, low + (high - low) * lens.high
    cursor = None if lens.cursor is None else shown_x[0] + (shown_x[1] - shown_x[0]) * lens.cursor
    shown = [one for one in curves if np.isfinite(between(one.curve, *shown_x).y).any()]
    shown = [one.calmed(lens.smoothing, frame.borders) for one in shown]
    ends = _ends(shown, frame, lens, shown_x, cursor)
    _title(cells[0], frame, lens, ends, shown, focused)
    if not shown:
        write(cells[height // 2], 2, frame.help, "muted")
        return cells
    y = y_range([between(one.curve, *shown_x).y for one in shown], frame)
    plot = height - 1 - frame.direct
    marks, labels = _labels(y, plot, lens)
    left = max(map(len, labels), default=0) + 1
    named = [end for end in ends if end.name] if frame.direct else []
    right = (
        max((cell_len(end.name) for end in named), default=0) + max((len(end.text) for end in named), default=-3) + 4
    )
    area = Area(left, max(width - left - right, 4), plot, shown_x, y)
    _ground(cells, area, frame)
    _grid(cells, area, marks, labels)
    _borders(cells, area, frame)
    if frame.direct:
        _axis(cells[height - 1], area, lens)
    _lines(cells, area, shown, frame, glyphs)
    _say(cells, area, frame)
    if cursor is not None:
        _crosshair(cells, area, cursor)
    _names(cells, named, area)
    if cursor is not None and frame.direct:
        write(cells[0], area.right + 2, _place(cursor, lens), "accent", bold=True)
    return cells


def write(row: list[Cell], x: int, text: str, ink: str, *, bold: bool = False) -> int:
    """Write text over the grounds of a row; returns the column behind it. A wide character takes two cells."""
    for character in clean(text):
        size = cell_len(character)
        if x >= 0 and x + size <= len(row):
            if size:
                row[x] = (character, ink, row[x][2], bold)
            if size == 2:
                row[x + 1] = ("", ink, row[x + 1][2], bold)
        x += size
    return x


def _place(x: float, lens: Lens) -> str:
    if lens.x_axis == "elapsed":
        return duration(x)
    return f"{_UNITS.get(lens.x_axis, '')} {number(round(x))}".strip()


def _title(
    row: list[Cell], frame: Frame, lens: Lens, ends: Sequence[End], shown: Sequence[Plotted], focused: bool
) -> None:
    write(row, 0, "▎" if focused else " ", "accent")
    x = write(row, 1, frame.title, "accent" if focused else "foreground", bold=True) + 1
    if frame.direct:
        if frame.note and lens.cursor is None:
            x = write(row, x + 1, frame.note, "muted") + 1
        words = [f"smooth {lens.smoothing}"] if lens.smoothing > 1 and any(not one.measured for one in shown) else []
        words += ["log"] if lens.log else []
        write(row, x + 1, " ".join(words), "muted")
        return
    if not ends:
        return
    x = write(row, x + 1, ends[0].text, "gap", bold=True) + 1
    values = shown[0].curve.y[np.isfinite(shown[0].curve.y)]
    change = float(values[-1] - values[-2]) if len(values) > 1 and lens.cursor is None else 0.0
    if frame.better and change:
        mark = "▲" if change > 0 else "▼"
        amount = mark + small(abs(change))
        write(row, x, amount if x + len(amount) < len(row) else mark, "good" if change * frame.better > 0 else "bad")


def _labels(y: tuple[float, float], plot: int, lens: Lens) -> tuple[list[float], list[str]]:
    marks, places = ticks(*y, 4 if plot >= 8 else 3 if plot >= 5 else 2)
    if lens.log:
        return marks, [number(10.0**mark) if abs(mark) < 300 else "" for mark in marks]
    return marks, [number(mark, places) for mark in marks]


def _ground(cells: Cells, area: Area, frame: Frame) -> None:
    """The healthy range as a ground, the level as a line; their names come last."""
    low, high = area.y
    if (level := frame.level) and low <= level.value <= high:
        for x in range(area.left, area.right):
            cells[area.row(level.value)][x] = ("╌", "muted~60", "background", False)
    band = frame.band
    if band is None or band.low > high or band.high < low:
        return
    for y in range(area.row(min(band.high, high)), area.row(max(band.low, low)) + 1):
        cells[y][area.left : area.right] = [(" ", "foreground", "band", False)] * area.width
    for y in {area.row(end) for end in (band.low, band.high) if low <= end <= high}:  # seen without tints, too
        cells[y][area.left : area.right] = [("╌", "good~38", "band", False)] * area.width


def _grid(cells: Cells, area: Area, marks: Sequence[float], labels: Sequence[str]) -> None:
    for mark, label in zip(marks, labels, strict=True):
        row = cells[area.row(mark)]
        write(row, area.left - 1 - len(label), label, "muted")
        ink = "faint" if mark else "muted~45"
        for x in range(area.left, area.right):
            if row[x][0] == " ":
                row[x] = ("┈", ink, row[x][2], False)


def _borders(cells: Cells, area: Area, frame: Frame) -> None:
    """A faint vertical where an outer iteration ends, its number where there is room."""
    low, high = area.x
    inside = [(i, area.column(x)) for i, x in enumerate(frame.borders) if low < x < high]
    first = sum(x <= low for x in frame.borders)
    starts = [(first, area.left), *((i + 1, x) for i, x in inside)]
    if len(inside) * _CLOSEST > area.width:  # a forest of verticals would hide the curves
        return
    for _, x in inside:
        for y in range(1, area.height + 1):
            cells[y][x] = ("╎", "faint", cells[y][x][2], False)
    if not (frame.borders and frame.direct):
        return
    for (number_, x), (_, following) in pairwise([*starts, (0, area.right)]):
        text = str(number_ + 1)
        if following - x > len(text) + 1:
            write(cells[1], x + (x != area.left), text, "muted")


def _axis(row: list[Cell], area: Area, lens: Lens) -> None:
    most = 6 if area.width > 60 else 4 if area.width > 30 else 3
    if lens.x_axis == "elapsed":
        span = area.x[1] - area.x[0]
        unit, name = (3600.0, "h") if span > 7200 else (60.0, "min") if span > 180 else (1.0, "s")
    else:
        unit, name = 1.0, _UNITS.get(lens.x_axis, "")
    marks, places = ticks(area.x[0] / unit, area.x[1] / unit, most)
    taken = 0
    for mark in marks:
        text = number(mark, places) + (f" {name}" if mark == marks[-1] and area.width > 30 else "")
        x = min(area.column(mark * unit), area.right - len(text))
        if x >= taken and x >= area.left:
            taken = write(row, x, text, "muted") + 1


def _strokes(shown: Sequence[Plotted], frame: Frame) -> Iterator[tuple[Curve, str, bool, Sequence[float]]]:
    """Curves in the order of drawing, with ink, weight and breaks: raw ones faint behind, the widest last."""
    ordered = sorted(shown, key=lambda one: (one.wide, bool(one.name), not one.measured))
    for one in ordered:
        if one.calm is not None:
            yield one.curve, f"{one.ink.partition('~')[0]}~32", False, frame.borders
    for one in ordered:
        pale = one.measured and frame.direct and not one.wide
        yield one.drawn, f"{one.ink}~60" if pale else one.ink, one.wide, () if one.measured else frame.borders


def _lines(cells: Cells, area: Area, shown: Sequence[Plotted], frame: Frame, glyphs: Sequence[str]) -> None:
    patterns = np.zeros((area.height, area.width), dtype=np.int64)
    inks: dict[tuple[int, int], str] = {}
    for curve, ink, wide, borders in _strokes(shown, frame):
        dots = braille.blank(area.width, area.height)
        for stretch in thin(curve, *area.x, 2 * area.width, borders).stretches:
            braille.stroke(dots, area.dots_of(stretch))
        if wide:
            dots[1:] |= dots[:-1].copy()
        drawn = braille.cells(dots)
        for y, x in np.argwhere(drawn).tolist():
            patterns[y, x], inks[y, x] = drawn[y, x], ink
    for (y, x), ink in inks.items():
        row = cells[y + 1]
        row[area.left + x] = (glyphs[patterns[y, x]], ink, row[area.left + x][2], False)
    _points(cells, area, shown, frame)


def _points(cells: Cells, area: Area, shown: Sequence[Plotted], frame: Frame) -> None:
    """A mark at each evaluation, and a cross at the foot where a value is not finite."""
    for one in shown:
        inside = (one.curve.x >= area.x[0]) & (one.curve.x <= area.x[1])
        finite = np.isfinite(one.curve.y)
        places = [(area.column(x), area.height, "×", "bad") for x in one.curve.x[inside & ~finite]]
        if one.measured and inside.sum() <= area.width:
            known = zip(one.curve.x[inside & finite], one.curve.y[inside & finite], strict=True)
            places += [(area.column(x), area.row(y), "◆" if frame.direct else "•", one.ink) for x, y in known]
        for x, y, character, ink in places:
            cells[y][x] = (character, ink, cells[y][x][2], False)


def _say(cells: Cells, area: Area, frame: Frame) -> None:
    """Names of range and level, in free cells from the right, so that no curve is hidden."""
    low, high = area.y
    names: list[tuple[int, str, str]] = []
    if (level := frame.level) and level.name and low <= level.value <= high:
        names.append((area.row(level.value), level.name, "muted"))
    if band := frame.band:
        where = (
            (1, " ▲")
            if band.low > high
            else (area.height, " ▼")
            if band.high < low
            else (area.row(min(band.high, high)), "")
        )
        names.append((where[0], band.name + where[1], "good"))
    for y, name, ink in names:
        places = ((row, x) for row in (y, y + 1, y - 1) for x in range(area.right - len(name) - 1, area.left, -1))
        for row, x in places:
            beside = cells[row][x - 1 : x + len(name) + 1] if 1 <= row <= area.height else []
            if beside and all(cell[0] in FREE for cell in beside):
                write(cells[row], x - 1, f" {name} ", ink)
                break


def _crosshair(cells: Cells, area: Area, cursor: float) -> None:
    x = area.column(cursor)
    for y in range(1, area.height + 1):
        character, ink, _, bold = cells[y][x]
        free = character in FREE
        cells[y][x] = ("│" if free else character, "accent" if free else ink, "accent~22", bold)


def _ends(
    shown: Sequence[Plotted], frame: Frame, lens: Lens, x: tuple[float, float], cursor: float | None
) -> list[End]:
    """What each curve has come to, of the curve that is drawn; under the crosshair the value that was measured."""
    found = []
    for one in shown:
        if cursor is not None:
            found.append((one, value_at(one.curve, cursor)))
            continue
        curve = between(one.drawn, *x)
        known = curve.y[np.isfinite(curve.y)]
        found.append((one, float(known[-1]) if len(known) else float("nan")))
    places = None if lens.log else decimals([y for _, y in found])
    places = places if frame.direct or places == EXPONENT else None
    texts = [number(10.0**y if lens.log else y, places) for _, y in found]
    return [End(one.name, text, one.ink, y, one.wide) for (one, y), text in zip(found, texts, strict=True)]


def _names(cells: Cells, ends: Sequence[End], area: Area) -> None:
    """Names at the ends of their lines, pushed apart so that none hides another."""
    known = sorted(ends, key=lambda end: -end.y if end.y == end.y else float("inf"))
    placed: list[int] = []
    for end in known:
        wanted = area.row(end.y) if np.isfinite(end.y) else area.height
        placed.append(max(wanted, placed[-1] + 1 if placed else 1))
    for i in range(len(placed) - 1, -1, -1):  # what hangs out below pushes back up
        placed[i] = min(placed[i], area.height - (len(placed) - 1 - i))
    longest = max((cell_len(end.name) for end in known), default=0)
    widest = max((len(end.text) for end in known), default=0)
    x = area.right + 2
    for y, end in zip(placed, known, strict=True):
        if 1 <= y <= area.height:
            write(cells[y], x, end.name, end.ink, bold=end.wide)
            write(cells[y], x + longest + 1 + widest - len(end.text), end.text, end.ink, bold=end.wide)
