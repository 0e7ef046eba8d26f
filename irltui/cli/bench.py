"""`irltui bench`: what was asked for is checked here, and done where torch is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irltui import quickstart
from irltui.api import BenchmarkSpec
from irltui.api.registry import Registry
from irltui.cli import worker
from irltui.config.layers import Layer, set_layers, value_layer
from irltui.config.load import load_layers
from irltui.config.paths import localise
from irltui.config.run_source import target_layers
from irltui.config.schema import RunConfig
from irltui.errors import ConfigError, RunFolderError
from irltui.experiments.study_folder import is_study
from irltui.runs.folder import is_run
from irltui.text import safe


@dataclass(frozen=True)
class BenchRequest:
    """What `irltui bench` was asked for; "" and () are "not given"."""

    target: str
    names: tuple[str, ...]
    data: str
    assignments: tuple[str, ...]
    items: Path | None
    as_json: bool


def bench(request: BenchRequest) -> None:
    """Become the process that measures.

    Raises:
        ConfigError: a benchmark's options have problems, or it asks for a reward that is not there.
        RunFolderError: the target is a study, or --items is there already.
    """
    path = Path(request.target)
    if is_study(path):
        raise RunFolderError(f"{safe(path)}: is a study", "Name one of its runs, such as STUDY/seed-0/ARM.")
    if request.items is not None and request.items.exists():
        raise RunFolderError(f"--items {safe(request.items)}: is there already", "Choose another file.")
    config = _config(request, from_run=is_run(path))
    _check_rewards(request, config.benchmarks, from_run=is_run(path))
    worker.become(
        "bench",
        config=config.model_dump(mode="json"),
        run=str(path.absolute()) if is_run(path) else "",
        items=str(request.items or ""),
        as_json=request.as_json,
    )


def _config(request: BenchRequest, *, from_run: bool) -> RunConfig:
    """That of the run, or the defaults around a model, with the wanted benchmarks and no others."""
    below = _run_layers(Path(request.target)) if from_run else _model_layers(request.target)
    configured = _configured(below)
    names = request.names or tuple(configured)
    if not names:
        kinds = ", ".join(Registry().kinds("benchmark"))
        raise ConfigError(f"--benchmark: name one or more (built in: {kinds})", "`irltui bench --help` has examples.")
    kinds_of_own = [_layer(name, "kind", name) for name in names if name not in configured]
    data = [_layer(name, "data", request.data) for name in names if request.data]
    # The data comes last: a kind that --set brings empties its table.
    layers = [*below, *kinds_of_own, *set_layers(request.assignments), *data]
    config = localise(load_layers(layers)).config
    return config.model_copy(update={"benchmarks": {name: config.benchmarks[name] for name in names}})


def _run_layers(folder: Path) -> list[Layer]:
    return target_layers(str(folder / "run.json"))


def _model_layers(name: str) -> list[Layer]:
    # A configuration has data to train on; nothing here reads it.
    return [value_layer("", ("data", "source"), quickstart.NAME), value_layer("MODEL", ("model", "name"), name)]


def _configured(layers: list[Layer]) -> Mapping[str, Any]:
    return next((layer.values["benchmarks"] for layer in reversed(layers) if "benchmarks" in layer.values), {})


def _layer(name: str, option: str, value: str) -> Layer:
    return value_layer(
        f"--{'benchmark' if option == 'kind' else option} {safe(value)}", ("benchmarks", name, option), value
    )


def _check_rewards(request: BenchRequest, benchmarks: Mapping[str, BenchmarkSpec], *, from_run: bool) -> None:
    for name, spec in benchmarks.items():
        if spec.needs_reward and not from_run:
            raise ConfigError(
                f"--benchmark {name}: {spec.kind} asks for a learned reward, and {safe(request.target)} is no run",
                "Give the folder of a run of irft, spin or rft.",
            )
