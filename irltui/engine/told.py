"""What parts say of themselves by `context.metric`: values by name, until a step takes their means."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


class Told:
    """Values since they were last taken."""

    def __init__(self) -> None:
        self._values: list[tuple[str, float]] = []

    def add(self, name: str, value: float) -> None:
        """One value; what is not finite is left out."""
        if np.isfinite(value):
            self._values.append((str(name), float(value)))

    def take(self) -> list[tuple[str, float]]:
        """All of them, once."""
        values = self._values.copy()
        self._values.clear()
        return values


def means(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Of the values of each name."""
    by_name: dict[str, list[float]] = {}
    for name, value in values:
        by_name.setdefault(name, []).append(value)
    return {name: float(np.mean(some)) for name, some in by_name.items()}
