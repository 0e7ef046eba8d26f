"""Small charts of several runs over each other, in braille dots: dashes and colours as on the dashboard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from rich.text import Text

from irltui.text import safe
from irltui.views import braille as dots
from irltui.views.arms import Side
from irltui.views.curve_styles import CURVES_ON_DARK, DASHES
from irltui.views.curves import Curve, Floats, limits, thin
from irltui.views.replay import Moment
from irltui.views.terminal import figure

CHARTS = {
    "reward/gap": "reward gap",
    "heldout/loss": "held-out loss (ln 2 = 0.693)",
    "heldout/nll": "held-out NLL",
    "train/loss": "training loss",
    "policy/reward": "policy reward",
    "kl/initial": "KL from the start",
}
_DOWN, _LABEL, _BETWEEN = 5, 8, 3
_FEWEST = 3  # points that make a curve


def overlays(sides: Sequence[Side], width: int) -> list[Text]:
    """The lines of all charts that at least one run has, two beside each other where `width` allows."""
    across = 2 if width >= 70 else 1
    cells = max(10, (width - across * _LABEL - (across - 1) * _BETWEEN) // across)
    drawn = []
    for metric, title in CHARTS.items():
        curves = [[Moment(run.history).curve(metric) for run in side.runs] for side in sides]
        if any(len(curve) >= _FEWEST for side in curves for curve in side):
            drawn.append(_chart(title, curves, cells))
    lines: list[Text] = []
    for at in range(0, len(drawn), across):
        lines += [Text(" " * _BETWEEN).join(row) for row in zip(*drawn[at : at + across], strict=True)] + [Text("")]
    return lines


def _limit(value: float) -> str:
    shown = figure(value)
    return shown if len(shown) < _LABEL else f"{value:.0e}"


def _chart(title: str, sides: Sequence[Sequence[Curve]], across: int) -> list[Text]:
    """Title, rows of dots beside their limits, steps; all of one width."""
    known = [curve for side in sides for curve in side if len(curve)]
    first, last = min(float(curve.x[0]) for curve in known), max(float(curve.x[-1]) for curve in known)
    last = last if last > first else first + 1.0
    bottom, top = limits([curve.y for curve in known], 0.0)
    cells, owner = _cells(sides, across, (first, last, bottom, top))
    rows = [Text(f"{' ' * _LABEL}{safe(title)[:across]:<{across}}", style="bold")]
    for y in range(_DOWN):
        label = {0: _limit(top), _DOWN - 1: _limit(bottom)}.get(y, "")
        row = Text(f"{label:>{_LABEL - 1}} ")
        for x in range(across):
            colour = CURVES_ON_DARK[owner[y, x] % len(CURVES_ON_DARK)] if cells[y, x] else ""
            row.append(chr(dots.BLANK + int(cells[y, x])), style=colour)
        rows.append(row)
    ends = f"step {first:.0f}"
    return [*rows, Text(f"{' ' * _LABEL}{ends}{last:>{across - len(ends)}.0f}", style="dim")]


def _cells(
    sides: Sequence[Sequence[Curve]], across: int, frame: tuple[float, float, float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Braille patterns, and which side each belongs to (the last one drawn there)."""
    first, last, bottom, top = frame
    cells = np.zeros((_DOWN, across), dtype=np.int64)
    owner = np.zeros_like(cells)
    for number, side in enumerate(sides):
        found = dots.blank(across, _DOWN)
        for curve in side:
            for stretch in thin(curve, first, last, 2 * across).stretches:
                x: Floats = (stretch.x - first) * ((2 * across - 1) / (last - first))
                dots.stroke(found, Curve(x, (top - stretch.y) * ((4 * _DOWN - 1) / (top - bottom))))
        drawn = dots.cells(dots.dashed(found, DASHES[number % len(DASHES)]))
        cells |= drawn
        owner[drawn > 0] = number
    return cells, owner
