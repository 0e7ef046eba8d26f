"""Small charts in plain text for `irltui show`: braille dots between their own limits. Knows no run folder."""

from __future__ import annotations

import math
from itertools import pairwise, zip_longest

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
_LARGEST = 1e300  # beyond it differences overflow
_BLANK, _WEIGHTS = 0x2800, ((1, 8), (2, 16), (4, 32), (64, 128))
Point = tuple[float, float]  # step, value


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


def _curve(history: RunHistory, metric: str) -> list[Point]:
    series = history.metrics.get(metric)
    if series is None:
        return []
    points = [(history.rows.step[row], value) for row, value in zip(series.rows, series.values, strict=True)]
    return sorted(points, key=lambda point: point[0])


def _chart(title: str, curve: list[Point], across: int) -> list[str]:
    """Title and lines of equal width: limits on the left, the curve over all steps on the right."""
    first, last = curve[0][0], curve[-1][0]
    known = [(step, value) for step, value in curve if abs(value) < _LARGEST]
    low, high = min((v for _, v in known), default=0.0), max((v for _, v in known), default=1.0)
    if high <= low:  # a flat curve runs through the middle
        low, high = low - max(0.5, abs(low) / 2), high + max(0.5, abs(high) / 2)
    wide, tall = 2 * across, 4 * _DOWN
    places = [
        (int((step - first) / max(last - first, 1e-12) * (wide - 1)), int((high - v) / (high - low) * (tall - 1) + 0.5))
        for step, v in known
    ]
    labels = [_label(high), *[""] * (_DOWN - 2), _label(low)]
    drawn = [f"{label:>{_LABEL - 1}} {line}" for label, line in zip(labels, _braille(places, across), strict=True)]
    ends = f"step {first:.0f}" + f"{last:.0f}".rjust(across - len(f"step {first:.0f}"))
    missing = len(curve) - len(known)
    heading = title + (f", {missing} not finite" if missing else "")
    return [" " * _LABEL + f"{heading:<{across}}"[:across], *drawn, " " * _LABEL + ends]


def _braille(places: list[tuple[int, int]], across: int) -> list[str]:
    """A line through places (dots from the left, dots from the top) as rows of braille cells."""
    cells = [[0] * across for _ in range(_DOWN)]
    for (x0, y0), (x1, y1) in pairwise(places):
        steps = max(abs(x1 - x0), abs(y1 - y0), 1)
        for i in range(steps + 1):
            x, y = round(x0 + (x1 - x0) * i / steps), round(y0 + (y1 - y0) * i / steps)
            cells[y // 4][x // 2] |= _WEIGHTS[y % 4][x % 2]
    return ["".join(chr(_BLANK + cell) for cell in row) for row in cells]


def _label(value: float) -> str:
    text = f"{value:.3g}"
    return text if len(text) < _LABEL and math.isfinite(value) else f"{value:.0e}"


def _beside(drawn: list[list[str]], width: int) -> list[str]:
    return [
        (" " * _BETWEEN).join(f"{line:<{width}}" for line in row).rstrip() for row in zip_longest(*drawn, fillvalue="")
    ]
