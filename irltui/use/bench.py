"""`irltui bench`: benchmarks on a model or on what a run learned, outside of any run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from irltui.api import Benchmark, BuildContext, Prompt, Score
from irltui.benchmarks.build import build_benchmarks
from irltui.benchmarks.intervals import Interval
from irltui.config.load import recorded
from irltui.config.requests import BenchRequest
from irltui.config.schema import RunConfig
from irltui.console import columns, out, out_json, talk
from irltui.engine.benchmarked_model import ModelUnderTest
from irltui.engine.evaluate import summarise
from irltui.errors import IrltuiError, RunFolderError, TrainingError
from irltui.lm.load import quiet_transformers
from irltui.runs.durable import replace_file
from irltui.runs.event_lines import plain
from irltui.runs.folder import RunFolder
from irltui.use.learned import Learned, load_learned, load_model_of
from irltui.views.numbers import between, figure


def main(request: BenchRequest) -> None:
    """Measure, and print each metric with its interval.

    Raises:
        IrltuiError: the model or a benchmark's file cannot be used, or a benchmark fails.
    """
    quiet_transformers()
    checked = recorded(request.config)
    talk(f"loading {request.run or checked.model.name}")
    model, context = _model(checked, request.run)
    results: dict[str, dict[str, Interval]] = {}
    lines: list[str] = []
    for name, benchmark in build_benchmarks(checked.benchmarks, context).items():
        talk(f"measuring {name}")
        scores = _scores(name, checked.benchmarks[name].kind, benchmark, model)
        results[name] = summarise(scores)
        lines += [json.dumps({"benchmark": name, "item": s.item, "metric": s.metric, "value": s.value}) for s in scores]
    if request.items is not None:
        _store(request.items, lines)
    if request.as_json:
        out_json(_as_json(checked, str(request.run or ""), results))
    else:
        out(_as_text(results))


def _model(config: RunConfig, run: Path | None) -> tuple[ModelUnderTest, BuildContext]:
    size = config.micro_batch
    if run is not None:
        learned = load_learned(RunFolder(run), config)
        parts, template, rewards = learned.parts, learned.template, _Rewards(learned, size)
    else:
        (parts, template), rewards = load_model_of(config, config.model), None
    model = ModelUnderTest(
        parts.policy,
        parts.sampler,
        parts.context.decoding,
        template,
        batch=size,
        poll=parts.context.poll,
        rewards=rewards,
        notice=talk,
    )
    return model, parts.context


class _Rewards:
    """The learned reward as totals."""

    def __init__(self, learned: Learned, batch: int) -> None:
        self._learned, self._batch = learned, batch

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]]) -> list[float]:
        return [score.total for score in self._learned.rewards(prompts, responses, batch=self._batch)]


def _scores(name: str, kind: str, benchmark: Benchmark, model: ModelUnderTest) -> list[Score]:
    try:
        scores = list(benchmark.evaluate(model))
        summarise(scores)
    except IrltuiError as error:
        raise type(error)(f"benchmarks.{name}: {error.message}", error.hint) from error
    except Exception as error:
        raise TrainingError(f"benchmark {name} ({kind}): {error!r}", "Report it to its author.") from error
    return scores


def _store(file: Path, lines: list[str]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, "\n".join([*lines, ""]).encode())
    except OSError as error:
        raise RunFolderError(f"--items {file}: cannot be written: {error}", "Choose another file.") from error


def _as_text(results: Mapping[str, Mapping[str, Interval]]) -> str:
    rows = [
        [name, metric, figure(found.mean), between(found.low, found.high).strip() or "-", str(found.n)]
        for name, metrics in results.items()
        for metric, found in metrics.items()
    ]
    return columns([["benchmark", "metric", "mean", "95 % interval", "n"], *rows])


def _as_json(config: RunConfig, run: str, results: Mapping[str, Mapping[str, Interval]]) -> dict[str, Any]:
    return {
        "model": run or config.model.name,
        "benchmarks": {
            name: {
                "options": config.benchmarks[name].model_dump(mode="json"),
                "values": {metric: plain(interval.as_dict()) for metric, interval in metrics.items()},
            }
            for name, metrics in results.items()
        },
    }
