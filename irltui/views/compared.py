"""The comparison of several runs that every surface shows, and its JSON."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from irltui.runs.events import Sample
from irltui.views.answers import Answers, answers
from irltui.views.arms import Side, side_differences, sides_of
from irltui.views.effects import planned
from irltui.views.final_figures import FinalRow, final_rows
from irltui.views.loaded_runs import ComparedRun
from irltui.views.replay import Moment


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
    return Comparison(tuple(sides), side_differences(sides), tuple(final_rows(sides)), tuple(found), wanted)


def as_dict(comparison: Comparison) -> dict[str, Any]:
    """The comparison as JSON holds it: what is not finite is null."""
    found = {
        "sides": [_side(side) for side in comparison.sides],
        "differences": comparison.differences,
        "final": [_row(row) for row in comparison.final],
        "curves": _curves(comparison.sides),
        "samples": [
            {
                "prompt": row.prompt,
                "demonstration": row.demonstration,
                "answers": [sample and _sample(sample) for sample in row.samples],
            }
            for row in comparison.answers
        ],
    }
    return {name: _finite(value) for name, value in found.items()}


def _side(side: Side) -> dict[str, Any]:
    runs = [
        {"run": str(run.folder.path), "seed": run.seed, "state": run.state, "step": run.history.step}
        for run in side.runs
    ]
    return {"name": side.name, "runs": runs}


def _row(row: FinalRow) -> dict[str, Any]:
    return {
        "metric": row.name,
        "estimates": [estimate and asdict(estimate) for estimate in row.estimates],
        "against_first": [difference and difference.as_dict() for difference in row.against_first],
    }


def _curves(sides: Sequence[Side]) -> dict[str, Any]:
    names = sorted({name for side in sides for run in side.runs for name in run.history.metrics})
    return {name: [[_curve(Moment(run.history), name) for run in side.runs] for side in sides] for name in names}


def _curve(moment: Moment, metric: str) -> dict[str, list[float]]:
    curve = moment.curve(metric)
    return {"step": curve.x.tolist(), "value": curve.y.tolist()}


def _sample(sample: Sample) -> dict[str, Any]:
    return {name: getattr(sample, name) for name in ("outer_iteration", "generation", "reward", "tokens", "ended")}


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_finite(item) for item in value]
    return value
