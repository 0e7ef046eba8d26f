"""How the log-probabilities of a sampler agree with those of the trainer, on the same token ids."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Absolute differences over the tokens of one response: how many tokens, the sum, the largest."""

    tokens: int
    total: float
    largest: float


def disagreement(sampled: Sequence[float], scored: Sequence[float]) -> Disagreement:
    """Of two log-probabilities of each token, in nats."""
    differences = np.abs(np.subtract(sampled, scored))
    return Disagreement(len(differences), float(differences.sum()), float(differences.max()))


def agreement_metrics(disagreements: Sequence[Disagreement]) -> dict[str, float]:
    """Mean and largest difference over all tokens."""
    tokens = sum(each.tokens for each in disagreements)
    return {
        "sampler/logp_error": math.fsum(each.total for each in disagreements) / tokens,
        "sampler/logp_error_max": max(each.largest for each in disagreements),
    }
