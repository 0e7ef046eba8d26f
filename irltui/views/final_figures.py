"""The table of final metrics: each side's value, its interval, and its difference from the first side.

Intervals are over held-out items where a benchmark stored them, over seeds (Student's t) where runs differ by seed
only, and absent where there is one number alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING

import numpy as np

from irltui.runs.events import Evaluation, Figure
from irltui.runs.metrics import FINAL, metric, possible
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
ReadItems = Callable[[ComparedRun, Evaluation], Mapping[str, Items]]
"""Every metric of an evaluation item by item, empty if it is not stored."""


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
    label: str
    estimates: tuple[Estimate | None, ...]
    against_first: tuple[Difference | None, ...]
    is_benchmark: bool = False


def final_rows(sides: Sequence[Side], read: ReadItems | None = None) -> list[FinalRow]:
    """The table, metrics first, then benchmarks.

    Args:
        sides: what is compared.
        read: how to get at stored items; without it benchmarks keep the intervals of their events.
    """
    rows = [_metric_row(name, sides) for name in FINAL]
    found = [_last_evaluations(side) for side in sides]
    keys = dict.fromkeys((name, metric) for side in found for name, e in side.items() for metric in e[0].values)
    rows += [_benchmark_row(key, sides, found, read or _nothing_stored) for key in keys]
    return [row for row in rows if any(estimate is not None for estimate in row.estimates)]


def read_stored(run: ComparedRun, evaluation: Evaluation) -> Mapping[str, Items]:
    """Items from the run's evaluations/; missing or damaged files count as not stored."""
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


def _nothing_stored(run: ComparedRun, evaluation: Evaluation) -> Mapping[str, Items]:
    return {}


def _metric_row(name: str, sides: Sequence[Side]) -> FinalRow:
    estimates = tuple(over_seeds(side.last_values(name), name) for side in sides)
    return FinalRow(name, metric(name).label, estimates, (None,) * len(sides))


def _last_evaluations(side: Side) -> dict[str, list[Evaluation]]:
    """The last result of each benchmark that all runs of a side have."""
    last = [{e.benchmark: e for e in run.history.evaluations} for run in side.runs]
    common = [name for name in last[0] if all(name in run for run in last)]
    return {name: [run[name] for run in last] for name in common}


def _benchmark_row(
    key: tuple[str, str], sides: Sequence[Side], found: Sequence[Mapping[str, list[Evaluation]]], read: ReadItems
) -> FinalRow:
    benchmark, metric = key
    figures: list[list[Figure]] = []
    stored: list[dict[str, Items]] = []  # seed -> items, of each side
    for side, evaluations in zip(sides, found, strict=True):
        here = [e for e in evaluations.get(benchmark, ()) if metric in e.values]
        figures.append([e.values[metric] for e in here])
        stored.append(_stored(side, here, metric, read))
    name = f"{benchmark}/{metric}"
    estimates = tuple(_estimate(name, f, list(items.values())) for f, items in zip(figures, stored, strict=True))
    against = tuple(_difference(items, stored[0]) if i else None for i, items in enumerate(stored))
    return FinalRow(name, f"{benchmark}: {metric}", estimates, against, is_benchmark=True)


def _stored(side: Side, evaluations: Sequence[Evaluation], metric: str, read: ReadItems) -> dict[str, Items]:
    """Seed -> items; empty if those of a run are missing."""
    items = [read(run, e).get(metric, {}) for run, e in zip(side.runs, evaluations, strict=False)]
    return dict(zip(side.seeds, items, strict=False)) if items and all(items) else {}


def difference(side: Side, name: str, first: Side, other: str, read: ReadItems) -> Difference | None:
    """One side's BENCHMARK/METRIC minus the first side's, item by item; None where they are not stored."""
    found = []
    for of, (benchmark, _, figure) in ((side, name.partition("/")), (first, other.partition("/"))):
        found.append(_stored(of, _last_evaluations(of).get(benchmark, []), figure, read))
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
