"""Supervised fine-tuning as the same kind of loop, so that a comparison differs in the objective alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from irltui.algorithm import BEGINNING, Start


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """B demonstrations to score in one forward pass; an optimizer step may need several."""

    responses: Any
    weight: Tensor  # (B,): 1 / tokens of the optimizer step, or 1 / its demonstrations
    last: bool = True  # the optimizer steps after these


@dataclass(frozen=True, slots=True)
class SftStep:
    """What is yielded before the optimizer moves: backward the loss, and step if `last`."""

    t: int
    k: int
    loss: Tensor  # ()
    last: bool
    logp: Tensor  # (B,), log pi(y | x)
    batch: Demonstrated


def sft(
    log_probs: Callable[[Any], Tensor],
    demonstrate: Callable[[int, int], Iterable[Iterable[Demonstrated]]],
    finish: Callable[[int], None],
    *,
    T: int,
    K: int,
    start: Start = BEGINNING,
) -> Iterator[SftStep]:
    """Maximum likelihood of the demonstrations: -sum of weight * log pi(y | x).

    The chunks and batches of `demonstrate(t, k)` are those that `irltui.algorithm.learn` would see at (t, k).
    """
    for t in range(start.t, T):
        k0 = start.k if t == start.t else 0
        for k, batch in zip(range(k0, K), demonstrate(t, k0), strict=False):
            for demonstrated in batch:
                logp = log_probs(demonstrated.responses)
                yield SftStep(t, k, -(demonstrated.weight * logp).sum(), demonstrated.last, logp, demonstrated)
        finish(t)
