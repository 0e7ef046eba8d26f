"""One optimizer step's rows as forward passes: this rank's share of them, with what each row weighs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from irltui.distributed import ranks

STRETCH = 16  # passes that are planned together: the work grows with the square of their number
_T = TypeVar("_T")


@dataclass(frozen=True)
class Micro(Generic[_T]):
    """The rows of one forward pass and their weights; the optimizer steps after the last."""

    rows: Sequence[_T]
    weights: list[float]
    last: bool


def micro_batches(rows: Sequence[_T], weight: float, size: int, length: Callable[[_T], int]) -> list[Micro[_T]]:
    """This rank's share of a step whose rows all weigh `weight`, in passes of about `size` rows of like length.

    Every rank takes equally many rows: one that would have less repeats a row that weighs nothing. The weights
    say the share of the whole step, so the ranks' gradients add up to its gradient.
    """
    if not rows:
        return []
    ordered = sorted(rows, key=length)
    mine = list(ranks.share(ordered))
    weights = [weight] * len(mine)
    if len(mine) < -(-len(rows) // ranks.count()):
        mine.insert(0, ordered[0])
        weights.insert(0, 0.0)
    ends = list(_ends([length(row) for row in mine], size))
    return [
        Micro(mine[begin:end], weights[begin:end], last=end == len(mine))
        for begin, end in zip([0, *ends], ends, strict=False)
    ]


def _ends(lengths: Sequence[int], size: int) -> Iterator[int]:
    """Where each pass ends: as many passes as rows need at `size` rows each, with the least padding.

    No pass has more tokens, padding included, than `size` of the longest rows near it: memory is bounded by that.
    """
    for begin in range(0, len(lengths), STRETCH * size):
        yield from (begin + end for end in _least_padding(lengths[begin : begin + STRETCH * size], size))


def _least_padding(lengths: Sequence[int], size: int) -> list[int]:
    """The same for a stretch, by dynamic programming over ends of passes; `lengths` ascend."""
    longest = np.asarray(lengths, dtype=np.float64)[:, None]  # of a pass that ends behind this row
    count = len(lengths)
    rows = np.arange(1, count + 1)[:, None] - np.arange(count)
    tokens = np.where((rows > 0) & (rows * longest <= size * lengths[-1]), rows * longest, np.inf)
    best = np.array([0.0, *[np.inf] * count])
    begins = []
    for _ in range(-(-count // size)):
        total = tokens + best[:-1]
        begins.append(total.argmin(1))
        best = np.array([np.inf, *total.min(1)])
    ends = [count]
    for begin in reversed(begins[1:]):
        ends.append(int(begin[ends[-1] - 1]))
    return ends[::-1]
