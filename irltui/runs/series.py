"""Curves in compact arrays: 24 bytes per point, truncated in time or rewound without copying objects.

Rows are metrics events; a series holds the rows in which its metric occurred. Knows no event and no screen.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from dataclasses import dataclass, field


@dataclass
class Rows:
    """Position and time of each metrics event, oldest first; `time` is Unix seconds, `elapsed` seconds of work."""

    seq: array[float] = field(default_factory=lambda: array("d"))
    time: array[float] = field(default_factory=lambda: array("d"))
    step: array[float] = field(default_factory=lambda: array("d"))
    tokens: array[float] = field(default_factory=lambda: array("d"))
    elapsed: array[float] = field(default_factory=lambda: array("d"))
    outer_iteration: array[float] = field(default_factory=lambda: array("d"))
    inner_step: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.seq)

    def truncate(self, seq: float) -> int:
        """Drop rows from `seq` on; how many are left."""
        left = bisect_left(self.seq, seq)
        for column in vars(self).values():
            del column[left:]
        return left


@dataclass
class Series:
    """One metric: `values[i]` belongs to row `rows[i]`; NaN and infinities are kept."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))

    def __len__(self) -> int:
        return len(self.rows)

    def upto(self, row: int) -> int:
        """The number of points before `row`."""
        return bisect_left(self.rows, row)

    def truncate(self, row: int) -> None:
        """Drop the points from `row` on."""
        left = self.upto(row)
        del self.rows[left:]
        del self.values[left:]

    def last(self, count: int | None = None) -> float:
        """The newest of the first `count` values (default: all), NaN if there is none."""
        count = len(self.values) if count is None else count
        return self.values[count - 1] if count else math.nan
