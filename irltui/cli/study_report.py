"""What a study found: each arm's figures, and the difference it was for, in a sentence that claims no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from irltui.benchmarks.comparison import Difference, compare, read_items
from irltui.console import columns
from irltui.errors import RunFolderError
from irltui.experiments.study_folder import StudyPlan, run_folder
from irltui.runs.folder import RunFolder
from irltui.runs.history import RunHistory
from irltui.runs.metrics import HELD_OUT_NLL
from irltui.runs.reader import read_history
from irltui.text import safe
from irltui.views.numbers import figure, signed, signed_between


@dataclass(frozen=True)
class StudyReport:
    """`arms` holds means over seeds at the end of each arm's runs, `start` those before any training."""

    plan: StudyPlan
    start: Mapping[str, float]
    arms: Mapping[str, Mapping[str, float]]
    difference: Difference

    def text(self) -> str:
        """A table and a sentence."""
        names = list(self.start)
        rows = [["", *map(safe, names)], ["start", *(figure(self.start[name]) for name in names)]]
        rows += [
            [safe(arm), *(figure(values[name]) if name in values else "-" for name in names)]
            for arm, values in self.arms.items()
        ]
        return f"{columns(rows)}\n\n{self.sentence()}"

    def sentence(self) -> str:
        """The finding, whichever way it falls."""
        first, second = map(safe, self.plan.compare)
        found, seeds = self.difference.interval, self.difference.by_seed
        shown = ", ".join(map(signed, seeds))
        facts = (
            f"{first} - {second}, {safe(self.plan.metric)}: {signed(found.mean)}"
            f"{signed_between(found.low, found.high)} (95 % over {found.n} prompts); by seed: {shown}"
        )
        match self.difference.verdict:
            case 0:
                return f"{facts}\nNo effect found: the interval includes zero, or the seeds disagree."
            case sign:
                word = "higher" if sign > 0 else "lower"
                return f"{facts}\n{first} is {word} than {second}: the interval excludes zero and all seeds agree."

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "kind": "comparison",
            "compare": self.plan.compare,
            "metric": self.plan.metric,
            "start": dict(self.start),
            "arms": {arm: dict(values) for arm, values in self.arms.items()},
            "difference": self.difference.interval.as_dict(),
            "by_seed": self.difference.by_seed,
            "verdict": self.difference.verdict,
        }


def study_report(folder: Path, plan: StudyPlan) -> StudyReport:
    """Compare the finished runs of a study.

    Raises:
        RunFolderError: a run has no evaluation of the metric, or it cannot be read.
    """
    benchmark, _, metric = plan.metric.partition("/")
    ends: dict[str, list[dict[str, float]]] = {}
    starts: list[dict[str, float]] = []
    for run in plan.runs():
        first, last = _figures(read_history(run_folder(folder, run.seed, run.arm).events))
        ends.setdefault(run.arm, []).append(last)
        if not run.start:
            starts.append(first)
    try:
        sides = [
            [_items(run_folder(folder, seed, arm), benchmark, metric) for seed in plan.seeds] for arm in plan.compare
        ]
        difference = compare(*sides)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(
            f"{folder}: {plan.metric} cannot be compared: {error}", "Is the benchmark in every arm?"
        ) from error
    return StudyReport(plan, _means(starts), {arm: _means(values) for arm, values in ends.items()}, difference)


def _items(run: RunFolder, benchmark: str, metric: str) -> dict[str, float]:
    """The last evaluation of a run, item by item."""
    files = [e.file for e in read_history(run.events).evaluations if e.benchmark == benchmark]
    if not files:
        raise ValueError(f"{run.path.name} was not measured on {benchmark}")
    return read_items(run.evaluations / Path(files[-1]).name, metric)


def _figures(history: RunHistory) -> tuple[dict[str, float], dict[str, float]]:
    """First and last value of every benchmark metric and of held-out NLL."""
    pairs = {"/".join(key): (first.mean, last.mean) for key, (first, last) in history.results().items()}
    if HELD_OUT_NLL in history.metrics:
        pairs[HELD_OUT_NLL] = history.first(HELD_OUT_NLL), history.last(HELD_OUT_NLL)
    return {name: first for name, (first, _) in pairs.items()}, {name: last for name, (_, last) in pairs.items()}


def _means(runs: list[dict[str, float]]) -> dict[str, float]:
    """Mean over seeds of what every run has."""
    names = [name for name in runs[0] if all(name in run for run in runs)] if runs else []
    return {name: fmean(run[name] for run in runs) for name in names}
