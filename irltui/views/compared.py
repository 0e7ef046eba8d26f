"""The comparison of several runs that every surface shows, and its JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irltui.runs.events import Sample
from irltui.views.answers import Answers, answers
from irltui.views.arms import Side, side_differences, sides_of
from irltui.views.effects import planned
from irltui.views.final_figures import Estimate, FinalRow, final_rows, read_stored
from irltui.views.loaded_runs import ComparedRun
from irltui.views.replay import Moment

if TYPE_CHECKING:  # it takes long to come
    from irltui.benchmarks.comparison import Difference


@dataclass(frozen=True)
class Comparison:
    """Everything to show about several runs.

    Attributes:
        sides: the arms; of a study the one that others are compared with comes first.
        differences: of configurations.
        wanted: the metric that decides a study, "" where there is none.
    """

    sides: tuple[Side, ...]
    differences: dict[str, list[str]]
    final: tuple[FinalRow, ...]
    answers: tuple[Answers, ...]
    wanted: str = ""


def compared(runs: Sequence[ComparedRun], samples: int) -> Comparison:
    """Group runs into arms and compare them, with the newest answers to `samples` prompts."""
    sides = sides_of(runs)
    base, _, wanted = planned(sides)
    sides.insert(0, sides.pop(base))
    found = answers([side.runs[0].history for side in sides])[:samples]
    rows = tuple(final_rows(sides, read_stored))
    return Comparison(tuple(sides), side_differences(sides), rows, tuple(found), wanted)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    return {
        "sides": [_side(side) for side in comparison.sides],
        "differences": comparison.differences,
        "final": [_row(row) for row in comparison.final],
        "curves": _curves(comparison.sides),
        "samples": [
            {
                "prompt": row.prompt,
                "demonstration": row.demonstration,
                "answers": [_sample(sample) if sample else None for sample in row.samples],
            }
            for row in comparison.answers
        ],
    }


def _side(side: Side) -> dict[str, Any]:
    runs = [
        {"run": str(run.folder.path), "seed": run.seed, "state": run.state, "step": run.history.step}
        for run in side.runs
    ]
    return {"name": side.name, "runs": runs}


def _row(row: FinalRow) -> dict[str, Any]:
    return {
        "metric": row.name,
        "estimates": [_estimate(estimate) if estimate else None for estimate in row.estimates],
        "against_first": [_difference(difference) if difference else None for difference in row.against_first],
    }


def _estimate(estimate: Estimate) -> dict[str, Any]:
    numbers = {name: _number(getattr(estimate, name)) for name in ("mean", "low", "high")}
    return {**numbers, "n": estimate.n, "over": estimate.over}


def _difference(difference: Difference) -> dict[str, Any]:
    return {**difference.interval.as_dict(), "by_seed": difference.by_seed, "verdict": difference.verdict}


def _curves(sides: Sequence[Side]) -> dict[str, Any]:
    names = sorted({name for side in sides for run in side.runs for name in run.history.metrics})
    return {name: [[_curve(Moment(run.history), name) for run in side.runs] for side in sides] for name in names}


def _curve(moment: Moment, metric: str) -> dict[str, list[float | None]]:
    curve = moment.curve(metric)
    return {"step": [_number(x) for x in curve.x.tolist()], "value": [_number(y) for y in curve.y.tolist()]}


def _sample(sample: Sample) -> dict[str, Any]:
    return {
        "outer_iteration": sample.outer_iteration,
        "generation": sample.generation,
        "reward": None if sample.reward is None else _number(sample.reward),
        "tokens": sample.tokens,
        "ended": sample.ended,
    }


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return value if math.isfinite(value) else None
