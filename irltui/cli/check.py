"""`irltui check`: another process looks at data and model, which takes torch; what it found is shown here."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from irltui.cli.engine import death
from irltui.cli.sources import Sources
from irltui.cli.worker import ask, line_of
from irltui.config.layers import Layer
from irltui.config.load import Loaded
from irltui.console import out_json, talk
from irltui.errors import EXIT_OK, ConfigError, IrltuiError
from irltui.experiments.study_file import Study, study_of
from irltui.preflight.devices import devices
from irltui.text import safe

_TAIL = 4  # lines that are told of a process that failed


@dataclass(frozen=True)
class CheckRequest:
    """What `irltui check` was asked for; `probes` None leaves it to the devices."""

    sources: Sources
    devices: str
    probes: bool | None
    as_json: bool


def check(request: CheckRequest) -> int:
    """Look, show, and return the exit code.

    Raises:
        ConfigError: the configuration has problems, or there are no such devices.
    """
    if request.devices:
        devices(request.devices)  # better told at once
    loaded = _loaded(request.sources)
    tries = request.probes if request.probes is not None else not request.devices
    code, found = ask("check", **_options(loaded, request.devices, tries=tries))
    if code != EXIT_OK:
        return code
    if request.as_json:
        out_json(found)
        return EXIT_OK
    from rich.console import Console

    from irltui.views.check import check_text

    console = Console(highlight=False)
    for text in check_text(found, loaded.config, console.width):
        console.print(text, soft_wrap=True)
    return EXIT_OK


async def look_at(filled_in: Loaded | Study) -> tuple[Loaded, dict[str, Any]]:
    """What there is to know about a run, or a study's first arm; cancelled, it ends the process that looks.

    Raises:
        IrltuiError: data or model cannot be used.
    """
    loaded = _first_arm(filled_in, ())[1] if isinstance(filled_in, Study) else filled_in
    line = line_of("check", _options(loaded, "", tries=True))
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*line, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    try:
        out, talked = await process.communicate()
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if returned := process.returncode:
        told = talked.decode("utf-8", "replace").splitlines()[-_TAIL:]
        raise IrltuiError("\n".join(told if returned > 0 else death(returned, "the process that looks")))
    return loaded, json.loads(out)


def _options(loaded: Loaded, devices: str, *, tries: bool) -> dict[str, Any]:
    return {"config": loaded.config.model_dump(mode="json"), "on": devices, "tries": tries}


def _loaded(sources: Sources) -> Loaded:
    if not (sources.target or sources.preset):
        raise ConfigError("TARGET: name a preset, a TOML file or a run.json", "`irltui presets` lists the presets.")
    study = study_of(sources.target, sources.assignments)
    if study is None:
        return sources.load()
    arm, loaded = _first_arm(study, sources.flag_layers())
    talk(f"a study of {len(study.arms)} arms: looking at {safe(arm)}")
    return loaded


def _first_arm(study: Study, flags: Sequence[Layer]) -> tuple[str, Loaded]:
    """One that waits for no other."""
    arm = next(arm for arm in study.arms if not arm.start)
    return arm.name, study.load(arm, study.section.seeds[0], start=None, flags=flags)
