"""Figures of a whole set told as one value an item: their mean is the figure, their spread its uncertainty.

A benchmark yields a value an item, and intervals come from resampling items. A figure that is no mean of its own
accord (an AUC, an adjusted mean, a share of distinct word pairs) is written here as one: each item's value is the
figure plus what the item pulls it by (its influence), so intervals and item-by-item comparisons hold for it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def auc_values(positive: Values, negative: Values) -> tuple[Values, Values]:
    """The chance that a positive is above a negative, ties counting half, spread over both (DeLong's placements).

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
    """What the mean would be where the covariate is zero, by least squares on one line; both (n,).

    The uncertainty of the line is in the spread. A covariate that does not vary changes nothing.
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
    """Different pairs of neighbouring words, as a share of all there are (distinct-2), spread over the texts.

    0 if no text has two words.
    """
    pairs = [list(pairwise(text.split())) for text in texts]
    counts = Counter(pair for row in pairs for pair in row)
    total = counts.total()
    if not total:
        return np.zeros(len(texts))
    return np.array([sum(1 / counts[pair] for pair in row) for row in pairs]) * len(texts) / total
