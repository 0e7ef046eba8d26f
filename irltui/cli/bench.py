"""`irltui bench`: check the options, then hand the request to a worker with torch."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from irltui.cli.options import Assignments, Json, Plugins, TrustCode
from irltui.errors import ConfigError, RunFolderError
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.config.layers import Layer
    from irltui.config.schema import RunConfig


def bench(  # noqa: PLR0913 - an option each
    target: Annotated[
        str, typer.Argument(metavar="MODEL_OR_RUN", help="Hub name, model folder, or a finished run's folder.")
    ],
    benchmarks: Annotated[
        list[str] | None,
        typer.Option("--benchmark", metavar="NAME", help="A benchmark of the run, or a kind; repeatable."),
    ] = None,
    data: Annotated[str, typer.Option("--data", metavar="D", help="File or hub data set with the items.")] = "",
    assignments: Assignments = None,
    strength: Annotated[
        str, typer.Option("--strength", metavar="A,B", help="Strengths to sample with; 1 is as learned.")
    ] = "",
    temperature: Annotated[
        str, typer.Option("--temperature", metavar="A,B", help="Temperatures to sample at; 0 is greedy.")
    ] = "",
    items: Annotated[
        Path | None, typer.Option("--items", metavar="FILE", help="Also write the value of each item (JSONL).")
    ] = None,
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    as_json: Json = False,
) -> None:
    r"""Measure a model or the result of a run: each metric with its 95 % interval and n.

    For a run, --benchmark defaults to the benchmarks in its configuration. Several strengths or temperatures give
    one table; benchmarks that sample no answers have the same value in each row.

    Examples:
      irltui bench runs/first --benchmark logprob_gap --data pairs.jsonl
      irltui bench runs/first --benchmark planted --data marked.jsonl \
          --set benchmarks.planted.bad=is_bad
      irltui bench runs/sft --benchmark quickstart --strength 1,2,3,5 \
          --temperature 0,0.7,1
      irltui bench quickstart --benchmark quickstart
      irltui bench M --benchmark win_rate --data answers.jsonl --json \
          --set benchmarks.win_rate.judge=JUDGE
    """
    from irltui.cli.worker import work
    from irltui.config.requests import BenchRequest
    from irltui.runs.folder import PLAN_FILE, is_run

    path = Path(target)
    from_run = is_run(path)
    if not from_run and (path / PLAN_FILE).is_file():
        raise RunFolderError(f"{safe(path)}: holds several runs", "Name one of them, such as STUDY/seed-0/ARM.")
    if items is not None and items.exists():
        raise RunFolderError(f"--items {safe(items)}: already exists", "Choose another file.")
    config = _config(target, benchmarks or (), data, assignments or (), plugins or (), from_run=from_run)
    request = BenchRequest(
        config=config.model_dump(mode="json"),
        run=path.absolute() if from_run else None,
        strengths=_strengths(strength, config, target, from_run=from_run),
        temperatures=_numbers("--temperature", temperature, config.decoding.changed),
        items=items,
        as_json=as_json,
    )
    sys.exit(work(request))


def _strengths(given: str, config: RunConfig, target: str, *, from_run: bool) -> tuple[float, ...]:
    found = _numbers("--strength", given, config.decoding.changed)
    own = [config.decoding.strength, *(spec.decoding.get("strength", 1.0) for spec in config.benchmarks.values())]
    if not from_run and any(value != 1 for value in (*found, *own)):
        raise ConfigError(
            f"--strength: {safe(target)} is not a run, so there is no model that it started from",
            "Give the folder of a finished run.",
        )
    return found


def _numbers(option: str, given: str, check: Callable[[Mapping[str, float]], object]) -> tuple[float, ...]:
    """A comma-separated list of values, each valid in [decoding]."""
    try:
        values = tuple(float(value) for value in given.split(",")) if given else ()
        for value in values:
            check({option.removeprefix("--"): value})
    except ValueError:
        raise ConfigError(f"{option} {safe(given, limit=120)}: not numbers from 0", f"Such as {option} 0,1.") from None
    return values


def _config(
    target: str,
    wanted: Sequence[str],
    data: str,
    assignments: Sequence[str],
    plugins: Sequence[Path],
    *,
    from_run: bool,
) -> RunConfig:
    """The run's configuration, or the defaults around a model, with the chosen benchmarks alone."""
    from irltui.api.registry import Registry
    from irltui.config.layers import set_layers, value_layer
    from irltui.config.load import load_layers
    from irltui.config.paths import localise
    from irltui.config.sources import plugin_layers

    below = _layers(target, from_run=from_run)
    with_benchmarks = [layer.values["benchmarks"] for layer in below if "benchmarks" in layer.values]
    configured: Mapping[str, object] = with_benchmarks[-1] if with_benchmarks else {}
    names = [kind.rpartition("/")[2] for kind in wanted] or list(configured)  # PLUGIN/NAME goes by NAME
    if not names:
        kinds = ", ".join(Registry().kinds("benchmark"))
        raise ConfigError(f"--benchmark: name one or more (built in: {kinds})", "`irltui bench --help` has examples.")
    kinds_of_own = [
        value_layer(f"--benchmark {safe(kind)}", ("benchmarks", name, "kind"), kind)
        for kind, name in zip(wanted, names, strict=False)  # without any wanted, all are configured
        if name not in configured
    ]
    sources = [value_layer(f"--data {safe(data)}", ("benchmarks", name, "data"), data) for name in names if data]
    # The data comes last: a kind that --set brings empties its table.
    given = [*plugin_layers(plugins), *kinds_of_own, *set_layers(assignments)]
    config = localise(load_layers([*below, *given, *sources])).config
    chosen = {name: config.benchmarks[name] for name in names}
    for name, spec in chosen.items():
        if spec.needs_reward and not from_run:
            raise ConfigError(
                f"--benchmark {name}: {spec.kind} needs a learned reward, but {safe(target)} is not a run",
                "Name the folder of an irft, spin or rft run.",
            )
    return config.model_copy(update={"benchmarks": chosen})


def _layers(target: str, *, from_run: bool) -> list[Layer]:
    from irltui import quickstart
    from irltui.config.layers import value_layer
    from irltui.config.run_source import target_layers

    if from_run:
        return target_layers(str(Path(target) / "run.json"))
    # A configuration has data to train on; nothing here reads it.
    return [value_layer("", ("data", "source"), quickstart.NAME), value_layer("MODEL", ("model", "name"), target)]
