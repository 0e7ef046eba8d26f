"""The result of a study: each arm's metrics, and the difference between two arms with its interval."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from irltui.console import columns
from irltui.errors import RunFolderError
from irltui.experiments.plan import Plan
from irltui.runs.history import RunHistory
from irltui.runs.metrics import HELD_OUT_NLL
from irltui.text import safe
from irltui.views.arms import Side
from irltui.views.final_figures import Estimate, final_rows, read_stored
from irltui.views.loaded_runs import load_run
from irltui.views.numbers import between, figure

if TYPE_CHECKING:
    from irltui.benchmarks.comparison import Difference


@dataclass(frozen=True)
class StudyResult:
    """`arms` holds means over seeds at the end of each arm's runs, `start` those before training."""

    compare: tuple[str, str]
    metric: str
    start: Mapping[str, float]
    arms: Mapping[str, Mapping[str, float]]
    difference: Difference
    intervals: Mapping[str, Mapping[str, Estimate]]
    """Of the decisive metric in every benchmark that has it, at the end of each arm's runs."""
    note: str = ""

    def text(self) -> str:
        """A table and a sentence."""
        wanted = self.metric.partition("/")[2]
        names = [name for name in self.names if name == HELD_OUT_NLL or name.partition("/")[2] == wanted]
        rows = [["", *map(safe, names)], ["start", *(figure(self.start.get(name)) for name in names)]]
        rows += [[safe(arm), *(self._cell(arm, name) for name in names)] for arm in self.arms]
        return "\n\n".join(filter(None, [columns(rows), self.sentence(), safe(self.note, lines=True, limit=2_000)]))

    @property
    def names(self) -> list[str]:
        """What was measured anywhere."""
        return list(dict.fromkeys(name for values in self.arms.values() for name in values))

    def _cell(self, arm: str, name: str) -> str:
        values, intervals = self.arms[arm], self.intervals[arm]
        if name not in values:
            return "-"
        found = intervals.get(name)
        return figure(values[name]) + ("" if found is None else between(found.low, found.high))

    def sentence(self) -> str:
        first, second = map(safe, self.compare)
        found, seeds = self.difference.interval, self.difference.by_seed
        shown = ", ".join(f"{value:+.4f}" for value in seeds)
        facts = (
            f"{first} - {second}, {safe(self.metric)}: {found.mean:+.4f} "
            f"[{found.low:+.4f}, {found.high:+.4f}] (95 % over {found.n} prompts); by seed: {shown}"
        )
        match self.difference.verdict:
            case 0:
                return f"{facts}\nNo effect found: the interval includes zero, or the seeds disagree."
            case sign:
                word = "higher" if sign > 0 else "lower"
                return f"{facts}\n{first} is {word} than {second}: the interval excludes zero and all seeds agree."

    def as_dict(self) -> dict[str, Any]:
        return {
            "kind": "comparison",
            "compare": self.compare,
            "metric": self.metric,
            "start": dict(self.start),
            "arms": {arm: dict(values) for arm, values in self.arms.items()},
            "intervals": {
                arm: {name: {"low": found.low, "high": found.high, "n": found.n} for name, found in rows.items()}
                for arm, rows in self.intervals.items()
            },
            "note": self.note,
            "difference": self.difference.interval.as_dict(),
            "by_seed": self.difference.by_seed,
            "verdict": self.difference.verdict,
        }


def study_result(plan: Plan, compare: tuple[str, str]) -> StudyResult:
    """Compare two arms of a study whose runs have finished.

    Raises:
        RunFolderError: an arm has no evaluation of the metric, or a run cannot be read.
    """
    loaded = {run: load_run(plan.run_folder(run), run.name) for run in plan.runs}
    arms = dict.fromkeys(run.arm for run in plan.runs)
    sides = {arm: Side(arm, tuple(loaded[run] for run in plan.runs if run.arm == arm)) for arm in arms}
    ends: dict[str, dict[str, float]] = {arm: {} for arm in arms}
    intervals: dict[str, dict[str, Estimate]] = {arm: {} for arm in arms}
    for row in final_rows(list(sides.values()), read_stored):
        for arm, estimate in zip(arms, row.estimates, strict=True):
            if estimate is not None and (row.name == HELD_OUT_NLL or row.is_benchmark):
                ends[arm][row.name] = estimate.mean
                if row.is_benchmark and estimate.over:
                    intervals[arm][row.name] = estimate
    first, second = compare
    compared = final_rows([sides[second], sides[first]], read_stored)
    difference = next((row.against_first[1] for row in compared if row.name == plan.metric), None)
    if difference is None:
        raise RunFolderError(
            f"{plan.folder}: {plan.metric} cannot be compared: no item was measured on both arms",
            "Is the benchmark in every arm?",
        )
    starts = [dict(_first_values(loaded[run].history)) for run in plan.runs if not run.start]
    names = [name for name in starts[0] if all(name in start for start in starts)]
    start = {name: fmean(values[name] for values in starts) for name in names}
    return StudyResult(compare, plan.metric, start, ends, difference, intervals, plan.note)


def _first_values(history: RunHistory) -> Iterator[tuple[str, float]]:
    for (benchmark, metric), (first, _) in history.results().items():
        yield f"{benchmark}/{metric}", first.mean
    if HELD_OUT_NLL in history.metrics:
        yield HELD_OUT_NLL, history.first(HELD_OUT_NLL)
