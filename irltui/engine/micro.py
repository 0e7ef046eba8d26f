"""One optimizer step's rows as forward passes: this rank's share of them, with what each row weighs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from irltui import ranks

_T = TypeVar("_T")


@dataclass(frozen=True)
class Micro(Generic[_T]):
    """The rows of one forward pass and their weights; the optimizer steps after the last."""

    rows: Sequence[_T]
    weights: list[float]
    last: bool


def micro_batches(rows: Sequence[_T], weight: float, size: int) -> list[Micro[_T]]:
    """This rank's share of a step whose rows all weigh `weight`, at most `size` a pass.

    Every rank takes equally many rows: one that would have less repeats a row that weighs nothing. The weights
    say the share of the whole step, so the ranks' gradients add up to its gradient.
    """
    if not rows:
        return []
    mine = list(ranks.share(rows))
    weights = [weight] * len(mine)
    if len(mine) < -(-len(rows) // ranks.count()):
        mine.append(rows[0])
        weights.append(0.0)
    starts = range(0, len(mine), size)
    return [Micro(mine[at : at + size], weights[at : at + size], last=at == starts[-1]) for at in starts]
