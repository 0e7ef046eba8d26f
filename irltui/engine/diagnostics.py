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

LN2 = math.log(2)
Values = dict[str, float]


def reward_metrics(demonstration: NDArray[np.float64], generation: NDArray[np.float64]) -> Values:
    """Means of r(x, y), r(x, y~) and their gap, and how often the demonstration wins; both arrays (B,)."""
    gap = demonstration - generation
    return {
        "reward/demonstration": float(demonstration.mean()),
        "reward/generation": float(generation.mean()),
        "reward/gap": float(gap.mean()),
        "reward/accuracy": float((gap > 0).mean()),
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
        "heldout/loss": float(np.logaddexp(0, -gap).mean()),
        "heldout/gap": float(gap.mean()),
        "reward/auc": auc(demonstration, generation),
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
    length_auc = auc(*lengths)
    return {
        "shortcut/length_auc": max(length_auc, 1 - length_auc),
        "shortcut/first_token_auc": auc(*first),
    }


def generation_metrics(generations: Sequence[Sequence[int]], ended: Sequence[bool], equal: int, empty: int) -> Values:
    """Health of a set of generations (ids, end-of-sequence included).

    Args:
        generations: the sampled ids.
        ended: whether each ended with an end-of-sequence token.
        equal: how many equal their demonstration; such pairs have no gradient and are dropped.
        empty: how many hold nothing but the end-of-sequence token.
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


def disagreement(sampled: Sequence[float], scored: Sequence[float]) -> tuple[float, float]:
    """Sum and largest of the absolute differences between two log-probabilities of a response's tokens."""
    differences = np.abs(np.subtract(sampled, scored))
    return float(differences.sum()), float(differences.max())


def agreement_metrics(disagreements: Iterable[tuple[float, float]], tokens: int) -> Values:
    """How sampler and trainer agree on the log-probabilities of `tokens` tokens; a `disagreement` of each response."""
    sums, largest = zip(*disagreements, strict=True)
    return {"sampler/logp_error": math.fsum(sums) / tokens, "sampler/logp_error_max": max(largest)}


def kl_per_token(logp: Sequence[Sequence[float]], logp_other: Sequence[Sequence[float]]) -> float:
    """KL of the policy that drew the responses from the other, per token: mean of log(pi / other) over tokens."""
    total = sum(sum(row) for row in logp) - sum(sum(row) for row in logp_other)
    return total / max(1, sum(map(len, logp)))


def auc(positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
    """Chance that a positive is above a negative, ties counting half (Mann-Whitney)."""
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, side="left")
    not_above = np.searchsorted(ordered, positive, side="right")
    return float((below + not_above).mean() / 2 / len(negative))


def advice(values: Values) -> list[tuple[str, str]]:
    """What sick metrics mean, in plain words: (code, text)."""
    found = []
    if values.get("pairs/both_down", 0) > 0.5:
        found.append(
            (
                "both_down",
                "In most pairs both log-ratios fall: raise reward.beta or add loss.gamma (try 0.1).",
            )
        )
    if values.get("reward/gap", 0) > 5:
        found.append(
            (
                "overshoot",
                "The reward gap is above 5: the inner loop overshoots; fewer loop.inner_steps or a larger beta.",
            )
        )
    if values.get("heldout/loss", 0) > LN2 + 0.05:
        found.append(
            (
                "no_signal",
                "Held-out loss is above ln 2: the reward does not generalise; lower the learning rate or K.",
            )
        )
    if values.get("generation/eos_rate", 1) < 0.5:
        found.append(
            (
                "cut",
                "Most generations hit the length cap: raise decoding.max_new_tokens or data.max_response_tokens.",
            )
        )
    if values.get("generation/equal_to_demonstration", 0) > 0.3:
        found.append(("equal", "Over 30 % of generations equal their demonstration: little is left to learn here."))
    if values.get("generation/duplicate_rate", 0) > 0.5:
        found.append(
            (
                "duplicates",
                "Most generations repeat another one: the policy collapses; lower the learning rate, or raise beta.",
            )
        )
    if values.get("generation/empty", 0) > 0.2:
        found.append(
            ("empty", "Over 20 % of generations are empty: the policy stops at once; look at Samples and the template.")
        )
    if values.get("sampler/logp_error", 0) > 0.2:
        found.append(("mismatch", "Sampler and trainer disagree on log-probabilities: check precision and template."))
    return found
