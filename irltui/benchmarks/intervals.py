"""Intervals for means and differences: percentile bootstrap, paired and clustered, seeded. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2_000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean with its 95 % interval over `n` items."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside."""
        return self.low > 0 or self.high < 0

    def as_dict(self) -> dict[str, float]:
        """For an event."""
        return asdict(self)


def mean_interval(values: Sequence[float], *, seed: int = 0) -> Interval:
    """Mean of one value an item.

    Args:
        values: one an item, at least one.
        seed: of the resampling; the same values give the same interval.
    """
    return clustered_interval(np.asarray(values, dtype=float)[:, None], seed=seed)


def clustered_interval(values: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """Mean over items (rows) that were each measured several times (columns, e.g. seeds).

    Rows are resampled whole, since the measurements of one item hang together.
    """
    by_item = values.mean(axis=1)
    n = len(by_item)
    draws = np.random.default_rng(seed).integers(0, n, size=(RESAMPLES, n))
    means = by_item[draws].mean(axis=1)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(by_item.mean()), float(low), float(high), n)
