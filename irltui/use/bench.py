"""`irltui bench`: run benchmarks on a model or on the result of a run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

from irltui.config.load import recorded
from irltui.config.requests import BenchRequest
from irltui.config.schema import RunConfig
from irltui.console import columns, out, out_json, talk
from irltui.engine.assemble import Assembly
from irltui.engine.benchmarked_model import ModelUnderTest, Rewards
from irltui.engine.evaluate import measured
from irltui.engine.guard import build_benchmarks
from irltui.lm.load import quiet_transformers
from irltui.runs.durable import write_named
from irltui.runs.event_lines import plain
from irltui.runs.events import Figure
from irltui.runs.folder import RunFolder
from irltui.use.learned import Learned, load_learned, load_model_of, reads_start
from irltui.views.numbers import between, figure


@dataclass(frozen=True)
class _Cell:
    """Changes to the configuration's decoding, and the results with them."""

    decoding: dict[str, float]
    results: dict[str, dict[str, Figure]]


def main(request: BenchRequest) -> None:
    quiet_transformers()
    checked = recorded(request.config)
    cells = [_Cell(changes, {}) for changes in _ways(request)]
    talk(f"loading {request.run or checked.model.name}")
    model, parts = _model(checked, request.run, beside_start=_needs_start(checked, cells))
    benchmarks = build_benchmarks(checked.benchmarks, parts.context)
    lines: list[str] = []
    for cell in cells:
        for name, benchmark in benchmarks.items():
            spec = checked.benchmarks[name]
            talk(" ".join([f"measuring {name}", *(f"{key} {value:g}" for key, value in cell.decoding.items())]))
            drawn = model.decoded(*parts.decoded({**spec.decoding, **cell.decoding}))
            scores, cell.results[name] = measured(name, spec.kind, benchmark, drawn)
            lines += [json.dumps({"benchmark": name, **cell.decoding, **asdict(score)}) for score in scores]
    if request.items is not None:
        write_named("--items", request.items, "\n".join([*lines, ""]).encode())
    if request.as_json:
        out_json(_as_json(checked, str(request.run or ""), cells))
    else:
        out(_as_text(cells))


def _ways(request: BenchRequest) -> list[dict[str, float]]:
    """Every strength at every temperature, in the order given."""
    asked = {"strength": request.strengths, "temperature": request.temperatures}
    named = {name: values for name, values in asked.items() if values}
    return [dict(zip(named, point, strict=True)) for point in product(*named.values())]


def _needs_start(config: RunConfig, cells: Sequence[_Cell]) -> bool:
    """Whether a reward or a strength needs pi_0."""
    drawn = [{**spec.decoding, **cell.decoding} for spec in config.benchmarks.values() for cell in cells]
    strengths = {changes.get("strength", config.decoding.strength) for changes in drawn}
    return strengths != {1.0} or (reads_start(config) and any(s.needs_reward for s in config.benchmarks.values()))


def _model(config: RunConfig, run: Path | None, *, beside_start: bool) -> tuple[ModelUnderTest, Assembly]:
    if run is None:
        parts, template = load_model_of(config)
        return parts.under_test(template, None, talk), parts
    learned = load_learned(RunFolder(run), config, beside_start=beside_start)
    rewards = _totals(learned, config.micro_batch)
    return learned.parts.under_test(learned.template, rewards, talk), learned.parts


def _totals(learned: Learned, batch: int) -> Rewards:
    return lambda prompts, responses: [score.total for score in learned.rewards(prompts, responses, batch=batch)]


def _as_text(cells: Sequence[_Cell]) -> str:
    rows = [
        [
            name,
            metric,
            *(f"{value:g}" for value in cell.decoding.values()),
            figure(found.mean),
            between(found.low, found.high).strip() or "-",
            str(found.n),
        ]
        for cell in cells
        for name, metrics in cell.results.items()
        for metric, found in metrics.items()
    ]
    rows.sort(key=lambda row: row[:2] if cells[0].decoding else [])  # a metric's cells below one another
    return columns([["benchmark", "metric", *cells[0].decoding, "mean", "95 % interval", "n"], *rows])


def _as_json(config: RunConfig, run: str, cells: Sequence[_Cell]) -> dict[str, Any]:
    """A sweep has a list, whose entries say how they were sampled."""
    options = {name: spec.model_dump(mode="json") for name, spec in config.benchmarks.items()}
    found = [
        {
            **cell.decoding,
            "benchmarks": {
                name: {"options": options[name], "values": plain(metrics)} for name, metrics in cell.results.items()
            },
        }
        for cell in cells
    ]
    measured = {"sweep": found} if cells[0].decoding else found[0]
    return {"model": run or config.model.name, **measured}
