"""Whether rewards fall into two groups, and where the border is. Knows numbers, no rows.

Two normal distributions are fitted (expectation maximisation from the best split). They count as two groups if
both have members, hardly any reward is in doubt between them, and they explain the rewards far better than one does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FEWEST = 5
"""Rewards of a group; fewer are outliers."""
MOST_DOUBT = 0.02
"""Share of rewards that would be put into the wrong group."""
_ROUNDS = 200
_NARROWEST = 1e-3  # standard deviation of a group, of that of all
_BETTER = 10.0  # the gain in the Bayesian information criterion that is called very strong (Kass and Raftery)
Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Groups:
    """Two groups: rewards below `border` and the others. `doubt` is the share that lies between them.

    `low` and `high` are the means, `below` and `above` the counts.
    """

    border: float
    low: float
    high: float
    below: int
    above: int
    doubt: float


def two_groups(rewards: Sequence[float]) -> Groups | None:
    values = np.sort(np.asarray(rewards, np.float64))
    spread = float(values.std()) if len(values) else 0.0
    if len(values) < 2 * FEWEST or not spread:
        return None
    shares, means, widths = _fitted(values, _NARROWEST * spread)
    if means[0] > means[1]:
        shares, means, widths = shares[::-1], means[::-1], widths[::-1]
    likelihoods = _likelihoods(values, shares, means, widths)
    whole = np.logaddexp(*likelihoods)
    alone = _likelihoods(values, np.ones(1), values.mean(keepdims=True), np.array([spread]))
    gain = 2 * float(whole.sum() - alone.sum()) - 3 * np.log(len(values))
    doubt = float(np.exp(likelihoods.min(0) - whole).mean())
    between = (values >= means[0]) & (values <= means[1])
    is_high = (values > means[1]) | (between & (likelihoods[1] >= likelihoods[0]))
    below = len(values) - int(is_high.sum())
    if min(below, len(values) - below) < FEWEST or doubt > MOST_DOUBT or gain < _BETTER:
        return None
    border = float(values[below - 1] + values[below]) / 2
    return Groups(border, float(means[0]), float(means[1]), below, len(values) - below, doubt)


def _fitted(values: Numbers, narrowest: float) -> tuple[Numbers, Numbers, Numbers]:
    """Shares, means and standard deviations of two normal distributions."""
    is_high = values >= _best_cut(values)
    members = np.stack([~is_high, is_high]).astype(np.float64)
    for _ in range(_ROUNDS):
        counts = members.sum(1) + 1e-12
        shares, means = counts / len(values), members @ values / counts
        widths = np.sqrt((members * (values - means[:, None]) ** 2).sum(1) / counts).clip(narrowest)
        likelihoods = _likelihoods(values, shares, means, widths)
        before, members = members, np.exp(likelihoods - np.logaddexp(*likelihoods))
        if np.abs(members - before).max() < 1e-6:
            break
    return shares, means, widths


def _best_cut(values: Numbers) -> float:
    """The first value of the upper class that has the largest variance between classes (Otsu)."""
    count = len(values)
    lower = np.arange(1, count)
    sums = values.cumsum()
    means = sums[:-1] / lower, (sums[-1] - sums[:-1]) / (count - lower)
    return float(values[1 + int((lower * (count - lower) * (means[1] - means[0]) ** 2).argmax())])


def _likelihoods(values: Numbers, shares: Numbers, means: Numbers, widths: Numbers) -> Numbers:
    """Log density of each value in each weighted part, (parts, values)."""
    scaled = (values - means[:, None]) / widths[:, None]
    return np.log(shares / widths)[:, None] - scaled**2 / 2
