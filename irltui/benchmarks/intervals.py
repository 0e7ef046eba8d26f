"""Intervals for means and differences: percentile bootstrap, paired and clustered, seeded. Does not import torch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from irltui.runs.events import Figure

RESAMPLES = 2_000
LEVEL = 0.95
ROUNDING = 1e-9  # relative; float64 sums over a benchmark's items stay far below it
_MOST_DRAWS = 20_000_000  # held at once: 160 MB


def mean_interval(values: Sequence[float], *, seed: int = 0) -> Figure:
    """Mean of one value per item, at least one; the same values and seed give the same interval."""
    return clustered_interval(np.asarray(values, dtype=float)[:, None], seed=seed)


def clustered_interval(values: NDArray[np.float64], *, seed: int = 0) -> Figure:
    """Mean over items (rows) that were each measured several times (columns, e.g. seeds).

    Whole rows are resampled, since the measurements of one item depend on each other.
    """
    by_item = values.mean(axis=1)
    n = len(by_item)
    if n == 1:
        return Figure(float(by_item[0]), math.nan, math.nan, 1)
    stream, at_once = np.random.default_rng(seed), max(1, min(RESAMPLES, _MOST_DRAWS // n))
    parts = [min(at_once, RESAMPLES - at) for at in range(0, RESAMPLES, at_once)]
    means = np.concatenate([by_item[stream.integers(0, n, size=(part, n))].mean(axis=1) for part in parts])
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    scale = float(np.abs(values).max())
    mean, low, high = (without_noise(float(end), scale) for end in (by_item.mean(), low, high))
    return Figure(mean, low, high, n)


def without_noise(value: float, scale: float) -> float:
    """0 if `value`, a sum of numbers as large as `scale`, differs from 0 only by rounding."""
    return 0.0 if abs(value) <= ROUNDING * scale else value
