"""Compare two arms of a study on the same items: difference, interval over items, agreement of the seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from irltui.benchmarks.intervals import clustered_interval, without_noise
from irltui.runs.events import Figure

Items = Mapping[str, float]
"""Item -> value."""


@dataclass(frozen=True)
class Difference:
    """First arm minus second: over all seeds with a 95 % interval, and per seed."""

    interval: Figure
    by_seed: tuple[float, ...]

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self.interval), "by_seed": self.by_seed, "verdict": self.verdict}

    @property
    def verdict(self) -> int:
        """+1 or -1 if the interval excludes zero and all seeds agree on the sign, else 0."""
        sign = 1 if self.interval.mean > 0 else -1
        agree = all(value * sign > 0 for value in self.by_seed)
        return sign if agree and self.interval.excludes_zero else 0


def read_metrics(file: Path) -> dict[str, dict[str, float]]:
    """Metric -> item -> value, from a file in evaluations/.

    Raises:
        ValueError: a line is damaged.
        OSError: the file cannot be read.
    """
    metrics: dict[str, dict[str, float]] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            metrics.setdefault(row["metric"], {})[row["item"]] = float(row["value"])
        except (LookupError, TypeError, ValueError) as error:
            raise ValueError(f"{file}:{number}: damaged: {error!r}") from error
    return metrics


def changes(start: Path, end: Path) -> dict[str, Figure]:
    """The gain of each metric between two files of a benchmark, over their common items.

    Raises:
        ValueError: a line is damaged.
        OSError: a file cannot be read.
    """
    before, after = read_metrics(start), read_metrics(end)
    return {
        metric: compare([after[metric]], [before[metric]]).interval
        for metric in after
        if before.get(metric, {}).keys() & after[metric].keys()
    }


def compare(first: Sequence[Items], second: Sequence[Items]) -> Difference:
    """The difference of two arms, each measured once per seed on the same items.

    Items are resampled with all their seeds: the interval covers the choice of prompts, the agreement covers the seeds.

    Raises:
        ValueError: the arms have no item in common.
    """
    common = sorted(set.intersection(*(set(items) for items in (*first, *second))))
    if not common:
        raise ValueError("the arms have no item in common")
    differences = np.array(
        [[_difference(a[item], b[item]) for a, b in zip(first, second, strict=True)] for item in common], dtype=float
    )  # (items, seeds)
    scale = float(np.abs(differences).max())
    by_seed = tuple(without_noise(value, scale) for value in differences.mean(axis=0).tolist())
    return Difference(clustered_interval(differences), by_seed)


def _difference(first: float, second: float) -> float:
    return without_noise(first - second, max(abs(first), abs(second)))
