"""Small charts in braille dots, of one run or of several over each other: dashes and colours as on the dashboard.

Plain Python: `irltui show` must not wait for numpy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, zip_longest

from rich.text import Text

from irltui.runs.history import RunHistory
from irltui.runs.metrics import DRAWN, metric
from irltui.views.curve_styles import CURVES_ON_DARK, DASHES
from irltui.views.numbers import figure

_DOWN, _LABEL, _BETWEEN = 5, 8, 3
_FEWEST = 3  # points that make a curve
_LARGEST = 1e300  # beyond it differences overflow
_BLANK, _WEIGHTS = 0x2800, ((1, 8), (2, 16), (4, 32), (64, 128))
Curve = Sequence[tuple[float, float]]
"""Steps and values."""
Frame = tuple[float, float, float, float]
"""First and last step, lowest and highest value."""


def charts(sides: Sequence[Sequence[RunHistory]], width: int) -> list[Text]:
    """The lines of all charts that a run has something for, two beside each other where `width` (columns) allows.

    Sides are told apart; the runs of one side look alike.
    """
    across = 2 if width >= 70 else 1
    cells = max(10, (width - across * _LABEL - (across - 1) * _BETWEEN) // across)
    drawn = []
    for name in DRAWN:
        curves = [[_curve(history, name) for history in side] for side in sides]
        if any(len(curve) >= _FEWEST for side in curves for curve in side):
            drawn.append(list(_chart(metric(name).title, curves, cells)))
    lines: list[Text] = []
    blank = Text(" " * (_LABEL + cells))
    for at in range(0, len(drawn), across):
        rows = zip_longest(*drawn[at : at + across], fillvalue=blank)
        lines += [*(Text(" " * _BETWEEN).join(row) for row in rows), Text("")]
    return lines[:-1]


def _curve(history: RunHistory, name: str) -> Curve:
    series = history.metrics.get(name)
    if series is None:
        return []
    points = ((history.rows.step[row], value) for row, value in zip(series.rows, series.values, strict=True))
    return sorted(points, key=lambda point: point[0])


def _chart(title: str, sides: Sequence[Sequence[Curve]], across: int) -> Iterator[Text]:
    """Title, rows of dots with value labels, steps; all of one width."""
    points = [point for side in sides for curve in side for point in curve]
    known = [value for _, value in points if abs(value) < _LARGEST]
    missing = len(points) - len(known)
    frame = (min(step for step, _ in points), max(step for step, _ in points), *_limits(known))
    first, last, low, high = frame
    heading = title + (f", {missing} not finite" if missing else "")
    yield Text(f"{' ' * _LABEL}{heading[:across]:<{across}}", style="bold")
    labels = {0: _label(high), _DOWN - 1: _label(low)}
    for y, row in enumerate(_cells(sides, across, frame)):
        line = Text(f"{labels.get(y, ''):>{_LABEL - 1}} ")
        for pattern, owner in row:
            line.append(chr(_BLANK + pattern), CURVES_ON_DARK[owner % len(CURVES_ON_DARK)] if pattern else "")
        yield line
    ends = f"step {first:.0f}"
    yield Text(f"{' ' * _LABEL}{ends}{last:>{across - len(ends)}.0f}", style="dim")


def _limits(known: Sequence[float]) -> tuple[float, float]:
    """Lowest and highest value; a flat curve is centred."""
    low, high = min(known, default=0.0), max(known, default=1.0)
    return (low, high) if high > low else (low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2))


def _label(value: float) -> str:
    shown = figure(value)
    return shown if len(shown) < _LABEL else f"{value:.0e}"


def _cells(sides: Sequence[Sequence[Curve]], across: int, frame: Frame) -> list[list[tuple[int, int]]]:
    """Braille patterns, each with the side drawn last there."""
    cells = [[(0, 0)] * across for _ in range(_DOWN)]
    for number, side in enumerate(sides):
        dash = DASHES[number % len(DASHES)]
        for curve in side:
            for x, y in _dots(curve, across, frame):
                if _is_drawn(x, dash):
                    pattern = cells[y // 4][x // 2][0] | _WEIGHTS[y % 4][x % 2]
                    cells[y // 4][x // 2] = pattern, number
    return cells


def _dots(curve: Curve, across: int, frame: Frame) -> Iterator[tuple[int, int]]:
    """A line through the finite points, in dots from the top left corner."""
    first, last, low, high = frame
    wide, tall = 2 * across, 4 * _DOWN
    places = [
        (int((x - first) / max(last - first, 1e-12) * (wide - 1)), int((high - y) / (high - low) * (tall - 1) + 0.5))
        for x, y in curve
        if abs(y) < _LARGEST
    ]
    for (x0, y0), (x1, y1) in pairwise(places):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            yield round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)


def _is_drawn(x: int, dash: Sequence[int]) -> bool:
    if not dash:
        return True
    ends = list(accumulate(dash))
    return bisect_right(ends, x % ends[-1]) % 2 == 0
