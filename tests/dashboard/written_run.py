"""Run folders written by a script with a fixed clock: what the dashboard is looked at and tested with."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dashboard.written_events import BEGAN, Clock, Events, Script

from irltui.config.layers import value_layer
from irltui.config.load import load
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.manifest import Manifest, write_manifest
from irltui.runs.status import State
from irltui.runs.writer import RunWriter

HOSTILE = (
    "\x1b[31mred\x1b]52;c;ZXZpbA==\x07 \x9b2J [/] [bold]not bold[/bold] [@click=app.quit]x[/] "
    "\u202eevil\u202c \ud800 \x00 $primary \u2028 end"
)


def write_run(path: Path, script: Script | None = None) -> RunFolder:
    """Write a whole run as the engine would."""
    script = script or Script()
    run = create_run_folder(path)
    layers = [
        value_layer("--model", ("model", "name"), "HuggingFaceTB/SmolLM2-135M-Instruct"),
        value_layer("--data", ("data", "source"), "demonstrations.jsonl"),
        value_layer("--set", ("algorithm",), script.algorithm),
        value_layer("--set", ("loop", "outer_iterations"), script.outer_iterations),
        value_layer("--set", ("loop", "inner_steps"), script.inner_steps),
        value_layer("--set", ("reward", "beta"), script.beta),
        value_layer("--seed", ("seed",), script.seed),
        *(value_layer("--set", tuple(key.split(".")), value) for key, value in script.config.items()),
    ]
    loaded = load_layers_of(layers)
    write_manifest(run, manifest(loaded[0], loaded[1]))
    if script.console:
        run.console.write_text(script.console, encoding="utf-8", errors="surrogatepass")
    clock = Clock()
    with RunWriter(run, clock) as writer:
        Events(script, writer, clock).all()
    return run


def load_layers_of(layers: list[Any]) -> tuple[dict[str, Any], dict[str, str]]:
    loaded = load("", flags=layers)
    return loaded.config.model_dump(mode="json"), dict(loaded.origins)


def manifest(config: dict[str, Any], origins: dict[str, str]) -> Manifest:
    return Manifest(1, "0.1", BEGAN, config, origins, {"python": "3.11", "torch": "2.8"}, "box", "Linux", "abc", "home")


@contextmanager
def engine_alive(run: RunFolder) -> Iterator[None]:
    """Hold the run's lock as an engine does, so that it counts as running."""
    with run.lock.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield


CRASH = """\
Traceback (most recent call last):
  File "irltui/engine/stepper.py", line 88, in step
    loss.backward()
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 0.9 GiB free.
"""


def write_all(folder: Path) -> dict[str, RunFolder]:
    """A finished, a running (hold its lock with `engine_alive`), a crashed, a failed and a hostile run."""
    hostile = {f"p{HOSTILE}": (HOSTILE, HOSTILE)}
    return {
        "irft": write_run(folder / "irft-smollm2", Script()),
        "running": write_run(folder / "irft-running", Script(seed=1, steps=77, end=None)),
        "crashed": write_run(folder / "spin-crashed", Script(seed=2, steps=41, end=None, console=CRASH)),
        "sft": write_run(folder / "irft-beta", Script(seed=3, beta=0.5, speed=0.7)),
        "failed": write_run(folder / "failed", Script(seed=4, steps=20, end=State.FAILED)),
        "hostile": write_run(
            folder / "hostile\x1b[31m",
            Script(
                seed=5,
                steps=12,
                prompts=hostile,
                answer=HOSTILE,
                end=None,
                console=HOSTILE,
                config={"data.system": "\x1b[0m"},
            ),
        ),
    }
