"""The order in which demonstrations are seen: pure functions of counts and the seed, the same on every machine."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TypeVar

Item = TypeVar("Item")


def chunk(count: int, t: int, per_pass: int, seed: int, *, shuffle: bool = True) -> list[int]:
    """Indices of outer iteration t: the pass's order, split into `per_pass` pieces that differ by one at most.

    Without `shuffle` every pass has the data's own order. t is counted over all passes.
    """
    order = _shuffled(count, seed, t // per_pass) if shuffle else range(count)
    place, short, extra = t % per_pass, count // per_pass, count % per_pass
    start = place * short + min(place, extra)
    return list(order[start : start + short + (place < extra)])


@lru_cache(maxsize=1)  # every outer iteration of a pass asks
def _shuffled(count: int, seed: int, passed: int) -> list[int]:
    order = list(range(count))
    _stream(seed, "pass", passed).shuffle(order)
    return order


def batches(indices: Sequence[Item], size: int, seed: int, t: int) -> Iterator[list[Item]]:
    """Endless batches over the indices of outer iteration t; every epoch draws a new order of them.

    The first epoch keeps the order given. A batch never spans two epochs, so an epoch's last may be smaller.
    """
    epoch, order = 0, list(indices)
    while order:
        yield from (order[at : at + size] for at in range(0, len(order), size))
        epoch += 1
        order = list(indices)
        _stream(seed, "epoch", t, epoch).shuffle(order)


def mixed(items: Sequence[Item], seed: int, t: int) -> list[Item]:
    """The items, shuffled for outer iteration t."""
    order = list(items)
    _stream(seed, "mixed", t).shuffle(order)
    return order


def _stream(seed: int, *purpose: object) -> random.Random:
    # A string seed is hashed with SHA-512 and does not depend on PYTHONHASHSEED.
    return random.Random(f"{seed} {purpose}")  # noqa: S311 - no secret is made of it
