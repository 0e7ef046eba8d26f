"""The table of final metrics: each side's value, its interval, and its difference from the first side.

Intervals are over held-out items where a benchmark stored them, over seeds (Student's t) where runs differ by seed
only, and absent where there is one number alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np

from irltui.runs.events import Evaluation, Figure
from irltui.runs.metrics import FINAL, METRICS, metric, possible
from irltui.views.arms import Side
from irltui.views.loaded_runs import ComparedRun

if TYPE_CHECKING:  # what benchmarks need takes a dashboard's start too long
    from irltui.benchmarks.comparison import Difference

_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131)
_T += (2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)
_T_LARGE = 1.960

ITEMS, SEEDS, NOTHING = "items", "seeds", ""
Items = Mapping[str, float]
"""Item -> value."""


@dataclass(frozen=True)
class Estimate:
    """A mean with its 95 % interval over `n` items or seeds; `low` and `high` are NaN if `over` is ""."""

    mean: float
    low: float = math.nan
    high: float = math.nan
    n: int = 1
    over: str = NOTHING


@dataclass(frozen=True)
class FinalRow:
    """One metric: each side's last value, and its difference from the first side (None if unknown)."""

    name: str
    estimates: tuple[Estimate | None, ...]
    against_first: tuple[Difference | None, ...]

    @property
    def label(self) -> str:
        return label_of(self.name)


def label_of(name: str) -> str:
    """What a metric, or a benchmark's BENCHMARK/METRIC, is called."""
    return metric(name).label if name in METRICS else name.replace("/", ": ", 1)


def final_names(sides: Sequence[Side]) -> list[str]:
    """Metrics, then BENCHMARK/METRIC of what all runs of a side measured."""
    found = (_last_evaluations(side) for side in sides)
    measured = (f"{name}/{metric}" for side in found for name, e in side.items() for metric in e[0].values)
    return list(dict.fromkeys([*FINAL, *measured]))


def final_rows(sides: Sequence[Side]) -> list[FinalRow]:
    """The table, metrics first, then benchmarks; reads the stored items of benchmarks."""
    rows = [(_metric_row if name in FINAL else _benchmark_row)(name, sides) for name in final_names(sides)]
    return [row for row in rows if any(estimate is not None for estimate in row.estimates)]


def _read_stored(run: ComparedRun, evaluation: Evaluation) -> Mapping[str, Items]:
    """Every metric of an evaluation item by item, from the run's evaluations/; {} if missing or damaged."""
    from irltui.benchmarks.comparison import read_metrics

    try:
        return read_metrics(run.folder.evaluations / Path(evaluation.file).name) if evaluation.file else {}
    except (OSError, ValueError):
        return {}


def over_seeds(values: Sequence[float], name: str = "") -> Estimate | None:
    """Mean and interval over one value per seed; None without values."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite or len(finite) < len(values):
        return Estimate(math.nan, n=len(values)) if values else None
    if len(finite) == 1:
        return Estimate(finite[0])
    n, mean = len(finite), fmean(finite)
    half = (_T[n - 2] if n - 2 < len(_T) else _T_LARGE) * stdev(finite) / math.sqrt(n)
    return Estimate(mean, *possible(name, mean, mean - half, mean + half), n, SEEDS)


def _metric_row(name: str, sides: Sequence[Side]) -> FinalRow:
    last = ([run.history.last(name) for run in side.runs if name in run.history.metrics] for side in sides)
    estimates = tuple(over_seeds(values, name) for values in last)
    return FinalRow(name, estimates, (None,) * len(sides))


def _last_evaluations(side: Side) -> dict[str, list[Evaluation]]:
    """The last result of each benchmark that all runs of a side have."""
    last = [{e.benchmark: e for e in run.history.evaluations} for run in side.runs]
    common = [name for name in last[0] if all(name in run for run in last)]
    return {name: [run[name] for run in last] for name in common}


def _benchmark_row(name: str, sides: Sequence[Side]) -> FinalRow:
    figures, stored = zip(*(_measured(side, name) for side in sides), strict=True)
    estimates = tuple(_estimate(name, f, list(items.values())) for f, items in zip(figures, stored, strict=True))
    against = tuple(_difference(items, stored[0]) if i else None for i, items in enumerate(stored))
    return FinalRow(name, estimates, against)


def _measured(side: Side, name: str) -> tuple[list[Figure], dict[str, Items]]:
    """The last figure of each run, and its items by seed; none if those of a run are missing."""
    benchmark, _, metric = name.partition("/")
    last = [e for e in _last_evaluations(side).get(benchmark, ()) if metric in e.values]
    items = [_read_stored(run, e).get(metric, {}) for run, e in zip(side.runs, last, strict=False)]
    stored = dict(zip(side.seeds, items, strict=False)) if items and all(items) else {}
    return [e.values[metric] for e in last], stored


def difference(side: Side, name: str, first: Side, other: str) -> Difference | None:
    """One side's BENCHMARK/METRIC minus the first side's, item by item; None where they are not stored."""
    found = _measured(side, name)[1], _measured(first, other)[1]
    return _difference(*found) if all(found) else None


def _estimate(name: str, figures: Sequence[Figure], stored: Sequence[Items]) -> Estimate | None:
    if len(figures) == 1:
        one = figures[0]
        return _over_items(name, one.mean, one.low, one.high, one.n)
    common = sorted(set.intersection(*map(set, stored))) if stored else []
    if not common:
        return over_seeds([figure.mean for figure in figures], name)
    from irltui.benchmarks.intervals import clustered_interval

    values = np.array([[seed[item] for seed in stored] for item in common], dtype=float)  # (items, seeds)
    found = clustered_interval(values)
    return _over_items(name, found.mean, found.low, found.high, found.n)


def _over_items(name: str, mean: float, low: float, high: float, n: int) -> Estimate:
    """A single item has no interval."""
    return Estimate(mean, *possible(name, mean, low, high), n, ITEMS) if n > 1 else Estimate(mean)


def _difference(side: Mapping[str, Items], first: Mapping[str, Items]) -> Difference | None:
    """Paired by item, and by seed where both sides share seeds; two single runs are paired whatever their seeds."""
    seeds = [seed for seed in side if seed in first]
    pairs = [(side[seed], first[seed]) for seed in seeds]
    if not pairs and len(side) == len(first) == 1:
        pairs = [(*side.values(), *first.values())]
    if not pairs:
        return None
    from irltui.benchmarks.comparison import compare

    try:
        return compare([a for a, _ in pairs], [b for _, b in pairs])
    except ValueError:  # no item in common
        return None
