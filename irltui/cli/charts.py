"""Small charts in plain text for `irltui show`: braille dots between their own limits. Knows no run folder."""

from __future__ import annotations

import math
from itertools import zip_longest

import numpy as np

from irltui.dashboard.curves import Curve, ascending, limits, thin
from irltui.dashboard.dots import BLANK, blank, cells, stroke
from irltui.runs.history import RunHistory

_CHARTS = {
    "reward/gap": "reward gap",
    "heldout/loss": "held-out loss (ln 2 = 0.693)",
    "heldout/nll": "held-out NLL",
    "train/loss": "training loss",
    "policy/reward": "policy reward",
    "kl/initial": "KL from the start",
}
_DOWN, _LABEL, _BETWEEN = 4, 8, 3
_FEWEST = 3  # points that make a curve


def charts(history: RunHistory, width: int) -> str:
    """Charts of the metrics that a run has, two beside each other where `width` allows; "" if there are none."""
    across = 2 if width >= 70 else 1
    cells_across = max(10, (width - across * _LABEL - (across - 1) * _BETWEEN) // across)
    drawn = [
        _chart(title, curve, cells_across)
        for metric, title in _CHARTS.items()
        if len(curve := _curve(history, metric)) >= _FEWEST
    ]
    rows = (drawn[i : i + across] for i in range(0, len(drawn), across))
    return "\n\n".join("\n".join(_beside(row, _LABEL + cells_across)) for row in rows)


def _curve(history: RunHistory, metric: str) -> Curve:
    series = history.metrics.get(metric)
    if series is None:
        return Curve(np.empty(0), np.empty(0))
    steps = np.array(history.rows.step, dtype=np.float64)
    return ascending(steps[np.array(series.rows, dtype=np.int64)], np.array(series.values, dtype=np.float64))


def _chart(title: str, curve: Curve, across: int) -> list[str]:
    """Title and lines of equal width: limits on the left, the curve over all steps on the right."""
    first, last = float(curve.x[0]), float(curve.x[-1])
    low, high = limits([curve.y], padding=0.0)
    if high <= low:  # a flat curve runs through the middle
        low, high = low - 0.5, high + 0.5
    dots = blank(across, _DOWN)
    height, wide = dots.shape
    for part in thin(curve, first, last, wide).stretches:
        x = (part.x - first) / max(last - first, 1e-12) * (wide - 1)
        y = (high - part.y) / (high - low) * (height - 1)
        stroke(dots, Curve(x, y))
    lines = ["".join(chr(BLANK + int(cell)) for cell in row) for row in cells(dots)]
    labels = [_label(high), *[""] * (_DOWN - 2), _label(low)]
    drawn = [f"{label:>{_LABEL - 1}} {line}" for label, line in zip(labels, lines, strict=True)]
    ends = f"step {first:.0f}" + f"{last:.0f}".rjust(across - len(f"step {first:.0f}"))
    missing = int((~np.isfinite(curve.y)).sum())
    heading = title + (f", {missing} not finite" if missing else "")
    return [" " * _LABEL + f"{heading:<{across}}"[:across], *drawn, " " * _LABEL + ends]


def _label(value: float) -> str:
    text = f"{value:.3g}"
    return text if len(text) < _LABEL and math.isfinite(value) else f"{value:.0e}"


def _beside(drawn: list[list[str]], width: int) -> list[str]:
    return [
        (" " * _BETWEEN).join(f"{line:<{width}}" for line in row).rstrip() for row in zip_longest(*drawn, fillvalue="")
    ]
