"""`irltui check`: a worker with torch inspects data and model; the findings are shown here."""

from __future__ import annotations

import json
import sys
from collections import ChainMap
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from irltui.cli.options import Assignments, Data, Json, Model, Plugins, Preset, Seed, Target, TrustCode
from irltui.console import out_json, talk
from irltui.errors import EXIT_OK, ConfigError
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.config.layers import Layer
    from irltui.config.load import Loaded
    from irltui.config.sources import Sources
    from irltui.experiments.study import Study


def check(  # noqa: PLR0913 - an option each
    target: Target = "",
    model: Model = "",
    data: Data = "",
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    devices: Annotated[
        str, typer.Option("--devices", metavar="NxNAME", help="Estimate for these devices, such as 8xH100; no probe.")
    ] = "",
    probe: Annotated[
        bool | None, typer.Option("--probe/--no-probe", help="Load the model and time a few steps; default: yes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check data, model and options before a run: loss masks, prompts, leaks, memory, time, advice.

    Trains nothing and writes nothing. Without the probe no weights are loaded.

    Examples:
      irltui check irft --model M --data demos.jsonl
      irltui check my.toml --no-probe
      irltui check irft --model M --data D --devices 8xH100
    """
    from irltui.cli.worker import ask
    from irltui.config.requests import CheckRequest
    from irltui.config.sources import Sources
    from irltui.preflight import devices as known

    if devices:
        known.devices(devices)  # fail early
    loaded = _loaded(Sources(target, preset, model, data, seed, tuple(assignments or ()), tuple(plugins or ())))
    probes = probe if probe is not None else not devices
    request = CheckRequest(config=loaded.config.model_dump(mode="json"), devices=devices, probe=probes)
    code, found = ask(request) if as_json else ask(request, partial(_show, loaded))
    if code == EXIT_OK and as_json:
        out_json(found)
    sys.exit(code)


def _show(loaded: Loaded, found: dict[str, Any]) -> None:
    from rich.console import Console

    from irltui.views.check import check_rows
    from irltui.views.spans import as_text

    console = Console(highlight=False)
    for row in check_rows(found, loaded.config.model_dump(), console.width):
        console.print(as_text(row), soft_wrap=True)


async def look_at(filled_in: Loaded | Study) -> tuple[Loaded, dict[str, Any]]:
    """What there is to know about a run, or a study's first arm; cancelled, it ends the checking process."""
    from irltui.cli.worker import ask_alone
    from irltui.config.requests import CheckRequest
    from irltui.experiments.study import Study

    loaded = _first_arm(filled_in, ())[1] if isinstance(filled_in, Study) else filled_in
    printed = await ask_alone(CheckRequest(config=loaded.config.model_dump(mode="json")))
    return loaded, dict(ChainMap(*map(json.loads, printed.splitlines())))


def _loaded(sources: Sources) -> Loaded:
    from irltui.experiments.study import study_of

    if not (sources.target or sources.preset):
        raise ConfigError("TARGET: name a preset, a TOML file or a run.json", "`irltui presets` lists the presets.")
    study = study_of(sources.target, sources.assignments)
    if study is None:
        return sources.load()
    arm, loaded = _first_arm(study, sources.flag_layers())
    talk(f"a study of {len(study.arms)} arms: checking {safe(arm)}")
    return loaded


def _first_arm(study: Study, flags: Sequence[Layer]) -> tuple[str, Loaded]:
    """The first arm that takes nothing from another arm."""
    arm = next(arm for arm in study.arms if not (arm.start or arm.keep))
    return arm.name, study.load(arm, study.section.seeds[0], None, flags)
