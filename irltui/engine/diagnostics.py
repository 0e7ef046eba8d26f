"""From responses and rewards to the metrics of the method: pure functions, names as users see them.

Knows no model and no file. Every function returns names and plain floats; what cannot be computed is absent.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from irltui.runs.metrics import ACCURACY, AUC, DEMONSTRATION, GAP, GENERATION, HELD_OUT_GAP, HELD_OUT_LOSS

Values = dict[str, float]


def reward_metrics(demonstration: NDArray[np.float64], generation: NDArray[np.float64]) -> Values:
    """Means of r(x, y), r(x, y~) and their gap, and how often the demonstration wins; both arrays (B,)."""
    gap = demonstration - generation
    return {
        DEMONSTRATION: float(demonstration.mean()),
        GENERATION: float(generation.mean()),
        GAP: float(gap.mean()),
        ACCURACY: float((gap > 0).mean()),
    }


def logratio_metrics(demonstration: NDArray[np.float64], generation: NDArray[np.float64]) -> Values:
    """Means of log(pi / pi_ref) on both sides, and how often both fall; both arrays (B,)."""
    return {
        "logratio/demonstration": float(demonstration.mean()),
        "logratio/generation": float(generation.mean()),
        "pairs/both_down": float(((demonstration < 0) & (generation < 0)).mean()),
    }


def held_out_metrics(demonstration: NDArray[np.float64], generation: NDArray[np.float64]) -> Values:
    """Logistic loss (ln 2 = no signal), gap and AUC of rewards on pairs that did not train; both (B,)."""
    gap = demonstration - generation
    return {
        HELD_OUT_LOSS: float(np.logaddexp(0, -gap).mean()),
        HELD_OUT_GAP: float(gap.mean()),
        AUC: auc(demonstration, generation),
    }


def shortcut_metrics(
    train: Iterable[tuple[Sequence[int], Sequence[int]]],
    held_out: Sequence[tuple[Sequence[int], Sequence[int]]],
) -> Values:
    """How well demonstrations and generations are told apart without reading them.

    `shortcut/length_auc` by length alone; `shortcut/first_token_auc` by the first token's log-odds as counted
    on the training pairs. Both are separations, 0.5 (none) to 1, on the held-out pairs; pairs are
    (demonstration ids, generation ids).
    """
    if not held_out:
        return {}
    lengths = [np.array([float(len(pair[side])) for pair in held_out]) for side in (0, 1)]
    counts = (Counter[int](), Counter[int]())
    for pair in train:
        for side in (0, 1):
            counts[side][pair[side][0]] += 1

    def log_odds(token: int) -> float:
        return math.log(counts[0][token] + 1) - math.log(counts[1][token] + 1)

    first = [np.array([log_odds(pair[side][0]) for pair in held_out]) for side in (0, 1)]
    length_auc, first_auc = auc(*lengths), auc(*first)
    return {
        "shortcut/length_auc": max(length_auc, 1 - length_auc),
        "shortcut/first_token_auc": max(first_auc, 1 - first_auc),
    }


def generation_metrics(generations: Sequence[Sequence[int]], ended: Sequence[bool], equal: int, empty: int) -> Values:
    """Health of a set of generations: ids, end-of-sequence included, and whether each ended with it.

    `equal` of them equal their demonstration; such pairs have no gradient and are dropped. `empty` hold nothing but the
    end-of-sequence token.
    """
    if not generations:
        return {}
    count = len(generations)
    bigrams = [pair for ids in generations for pair in pairwise(ids)]
    values = {
        "generation/length": sum(map(len, generations)) / count,
        "generation/eos_rate": sum(ended) / count,
        "generation/duplicate_rate": 1 - len(set(map(tuple, generations))) / count,
        "generation/equal_to_demonstration": equal / count,
        "generation/empty": empty / count,
    }
    if bigrams:
        values["generation/distinct_2"] = len(set(bigrams)) / len(bigrams)
    return values


def auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Probability that a positive exceeds a negative, ties counting half (Mann-Whitney)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).mean() / 2 / len(negative))
