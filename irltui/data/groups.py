"""Rows in groups that are worth working on at once, and take little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


def groups(items: Iterable[Item], size: Callable[[Item], int], *, most: int, largest: int) -> Iterator[list[Item]]:
    """Items in order, in lists of `most`; a list ends sooner where the sizes of its items exceed `largest` together."""
    group: list[Item] = []
    total = 0
    for item in items:
        group.append(item)
        total += size(item)
        if len(group) == most or total > largest:
            yield group
            group = []
            total = 0
    if group:
        yield group
