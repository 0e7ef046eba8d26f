"""Curves made ready for drawing: smoothed, thinned to what a screen can show, broken where numbers are not finite.

Pure functions of arrays; knows no widget. Thinning keeps the smallest and largest value of every column, so that
a spike of a single step survives.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
GAP = "\N{MULTIPLICATION SIGN}"
"""Stands where a value is not finite."""
LARGEST = 1e300  # beyond it differences overflow


@dataclass(frozen=True, eq=False)
class Curve:
    """Points of one metric, x ascending; y may be NaN or infinite."""

    x: Floats
    y: Floats

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True, eq=False)
class Thinned:
    """Stretches without gaps to draw, and the x of values that are not finite."""

    stretches: list[Curve]
    marks: Floats


def ascending(x: Floats, y: Floats) -> Curve:
    """A curve sorted by x; points without a finite x are dropped."""
    placed = np.isfinite(x)
    if not placed.all():
        x, y = x[placed], y[placed]
    if len(x) > 1 and bool((np.diff(x) < 0).any()):
        order = np.argsort(x, kind="stable")
        x, y = x[order], y[order]
    return Curve(x, y)


def smooth(curve: Curve, window: int, borders: Sequence[float] = ()) -> Curve:
    """The mean of `window` neighbours, as many on each side, so that nothing lags; gaps stay gaps.

    No mean reaches over one of the `borders`, where outer iterations end.
    """
    if window <= 1 or len(curve) < 2:
        return curve
    count = len(curve)
    at = np.arange(count)
    edges = np.unique(np.concatenate(([0], np.searchsorted(curve.x, np.asarray(borders), side="right"), [count])))
    piece = np.searchsorted(edges, at, side="right") - 1
    reach = np.minimum(window // 2, np.minimum(at - edges[piece], edges[piece + 1] - 1 - at))
    finite = np.isfinite(curve.y) & (np.abs(curve.y) < LARGEST)
    known = np.where(finite, curve.y, 0.0)
    total, number = known.copy(), finite.astype(np.float64)
    for k in range(1, int(reach.max(initial=0)) + 1):
        reached = reach[k:-k] >= k
        total[k:-k] += (known[: -2 * k] + known[2 * k :]) * reached
        number[k:-k] += (finite[: -2 * k].astype(np.int8) + finite[2 * k :]) * reached
    return Curve(curve.x, np.where(finite, total / np.maximum(number, 1.0), math.nan))


def logarithmic(curve: Curve) -> Curve:
    """log10 of y; values at or below zero are dropped."""
    kept = ~(curve.y <= 0)
    y = curve.y[kept]
    with np.errstate(invalid="ignore"):
        return Curve(curve.x[kept], np.log10(y))


def between(curve: Curve, low: float, high: float) -> Curve:
    """The points in [low, high] and one more on each side, so that lines reach the edge."""
    first = max(0, int(np.searchsorted(curve.x, low, side="left")) - 1)
    last = int(np.searchsorted(curve.x, high, side="right")) + 1
    return Curve(curve.x[first:last], curve.y[first:last])


def thin(curve: Curve, low: float, high: float, columns: int, borders: Sequence[float] = ()) -> Thinned:
    """About two points per column and outer iteration, and the columns with values that are not finite.

    A border, which belongs to the outer iteration that it ends, breaks the curve like a gap.
    """
    curve = between(curve, low, high)
    if not len(curve) or columns < 1 or not high > low:
        return Thinned([], np.empty(0))
    column = np.floor((curve.x - low) * (columns / (high - low))).astype(np.int64)
    finite = np.isfinite(curve.y) & (np.abs(curve.y) < LARGEST)
    bad = np.unique(column[~finite & (curve.x >= low) & (curve.x <= high)])
    marks = low + (np.clip(bad, 0, columns - 1) + 0.5) * (high - low) / columns
    x, y, column = curve.x[finite], curve.y[finite], column[finite]
    if not len(x):
        return Thinned([], marks)
    breaks = _breaks(finite) + np.searchsorted(np.asarray(borders), x, side="left")
    if len(x) > 2 * columns * (1 + len(borders)):
        x, y, breaks = _extremes(x, y, column, breaks)
    parts = np.flatnonzero(np.diff(breaks)) + 1
    pieces = zip(np.split(x, parts), np.split(y, parts), strict=True)
    return Thinned([Curve(*piece) for piece in pieces], marks)


def _breaks(finite: NDArray[np.bool_]) -> NDArray[np.int64]:
    """For each finite point, the number of gaps before it."""
    gap_starts = ~finite & np.concatenate(([True], finite[:-1]))
    counts: NDArray[np.int64] = np.cumsum(gap_starts.astype(np.int64))[finite]
    return counts


def _extremes(
    x: Floats, y: Floats, column: NDArray[np.int64], breaks: NDArray[np.int64]
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Smallest and largest value of each column between two breaks, in the direction of the curve."""
    starts = np.concatenate(([0], np.flatnonzero(np.diff(column) | np.diff(breaks)) + 1))
    ends = np.concatenate((starts[1:], [len(x)])) - 1
    low, high = np.minimum.reduceat(y, starts), np.maximum.reduceat(y, starts)
    rises = y[ends] >= y[starts]
    thinned = np.empty(2 * len(starts))
    thinned[0::2], thinned[1::2] = np.where(rises, low, high), np.where(rises, high, low)
    return np.repeat((x[starts] + x[ends]) / 2, 2), thinned, np.repeat(breaks[starts], 2)


def value_at(curve: Curve, x: float) -> float:
    """The value of the last point at or before `x`; NaN before the first."""
    at = int(np.searchsorted(curve.x, x, side="right"))
    return float(curve.y[at - 1]) if at else math.nan


def limits(values: list[Floats], padding: float = 0.06) -> tuple[float, float]:
    """A padded range of all finite values; (0, 1) without any."""
    finite = [part[np.isfinite(part) & (np.abs(part) < LARGEST)] for part in values]
    finite = [part for part in finite if len(part)]
    if not finite:
        return 0.0, 1.0
    low, high = float(min(part.min() for part in finite)), float(max(part.max() for part in finite))
    span = high - low
    if span <= abs(high) * 1e-9:
        span = max(abs(high) * 0.1, 1e-9)
    return low - padding * span, high + padding * span
