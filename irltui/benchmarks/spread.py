"""Write a figure of a whole set as one value per item, whose mean is the figure and whose spread its uncertainty.

A benchmark yields one value per item, and intervals come from resampling items. A figure that is not a mean (an AUC,
an adjusted mean, a share of distinct word pairs) becomes one here: each item's value is the figure plus the item's
influence on it, so intervals and item-by-item comparisons are valid for it, too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def auc_values(positive: Values, negative: Values) -> tuple[Values, Values]:
    """The probability that a positive exceeds a negative, ties counting half, spread over both (DeLong).

    Args:
        positive: (P,), at least one.
        negative: (N,), at least one.

    Returns:
        (P,) and (N,), whose common mean is the AUC.
    """
    above = (positive[:, None] > negative).astype(float) + 0.5 * (positive[:, None] == negative)
    figure, total = above.mean(), len(positive) + len(negative)
    return (
        figure + total / len(positive) * (above.mean(axis=1) - figure),
        figure + total / len(negative) * (above.mean(axis=0) - figure),
    )


def adjusted_values(values: Values, covariate: Values) -> Values:
    """The mean adjusted to a covariate of zero, by linear least squares; both (n,).

    The spread includes the uncertainty of the line. A constant covariate changes nothing.
    """
    centred = covariate - covariate.mean()
    spread = float(centred @ centred)
    if spread <= 1e-12 * len(values):
        return values.astype(float)
    slope = float(centred @ values) / spread
    residual = values - values.mean() - slope * centred
    leverage = 1 - len(values) * covariate.mean() * centred / spread
    return values.mean() - slope * covariate.mean() + leverage * residual


def distinct_pair_values(texts: Sequence[str]) -> Values:
    """The share of distinct pairs of neighbouring words among all (distinct-2), spread over the texts.

    0 if no text has two words.
    """
    pairs = [list(pairwise(text.split())) for text in texts]
    counts = Counter(pair for row in pairs for pair in row)
    total = counts.total()
    if not total:
        return np.zeros(len(texts))
    return np.array([sum(1 / counts[pair] for pair in row) for row in pairs]) * len(texts) / total
