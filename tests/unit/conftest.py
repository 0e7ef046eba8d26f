"""A command line to call, and run folders written as the engine writes them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from irltui.cli.main import main
from irltui.config.layers import value_layer
from irltui.config.load import load
from irltui.experiments import process as engine
from irltui.runs.events import Alert, Checkpoint, Evaluation, Metrics, Phase, PhaseProgress, RunEnd, RunStart, Sample
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.status import State
from irltui.runs.writer import RunWriter

HOSTILE = "\x1b]52;c;eA==\x07\u202e[/bold]"


@dataclass(frozen=True)
class Result:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def irltui(monkeypatch, capsys, tmp_path) -> Callable[..., Result]:
    """Call the command line in an empty folder."""
    monkeypatch.chdir(tmp_path)
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)

    def call(*arguments: str | Path) -> Result:
        monkeypatch.setattr(sys, "argv", ["irltui", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Result(int(ended.value.code or 0), printed.out, printed.err)

    return call


@pytest.fixture
def make_run(tmp_path) -> Callable[..., RunFolder]:
    """A run folder as the engine leaves it: two outer iterations of two steps."""

    def make(name: str = "a", state: State = State.FINISHED, *, working: bool = False, at: int = 1_000) -> RunFolder:
        run = create_run_folder(tmp_path / name)
        flags = [
            value_layer("--model", ("model", "name"), f"m{HOSTILE}"),
            value_layer("--data", ("data", "source"), "d"),
        ]
        loaded = load("irft", flags=flags)
        write_manifest(run, new_manifest(loaded.config.model_dump(mode="json"), dict(loaded.origins)))
        clock = iter(range(at, at + 1_000))
        with RunWriter(run, clock=lambda: float(next(clock))) as writer:
            write_events(writer, None if working else state)
        if state is State.FINISHED:
            run.model.mkdir()
        return run

    return make


def write_events(writer: RunWriter, state: State | None) -> None:
    """What the engine would say; None is a run that works still."""
    writer.write(PhaseProgress(phase=Phase.PREPARE, outer_iteration=0, done=0, total=0, unit=""))
    writer.write(RunStart(pid=os.getpid(), algorithm="irft", total_steps=4, outer_iterations=2, resumed_step=None))
    writer.write(Metrics(step=0, outer_iteration=-1, inner_step=0, tokens=0, elapsed=0.5, values={"heldout/nll": 3.25}))
    for step in range(1, 5):
        t, k = divmod(step - 1, 2)
        values = {"train/loss": 0.6931 / step, "reward/gap": float("nan") if step == 4 else 0.5 * step}
        writer.write(PhaseProgress(phase=Phase.UPDATE, outer_iteration=t, done=k + 1, total=2, unit="steps"))
        writer.write(
            Metrics(step=step, outer_iteration=t, inner_step=k + 1, tokens=9, elapsed=60.0 * step, values=values)
        )
    writer.write(Metrics(step=4, outer_iteration=1, inner_step=2, tokens=9, elapsed=245.0, values={"heldout/nll": 2.5}))
    writer.write(Alert(step=3, level="warning", code="both_down", text=f"Both fall{HOSTILE}: raise reward.beta."))
    interval = {"mean": 0.5, "low": 0.25, "high": 0.75, "n": 8}
    writer.write(Evaluation(step=4, outer_iteration=1, benchmark="gold", values={"quality": interval}, file=""))
    writer.write(
        Sample(step=4, outer_iteration=1, prompt="Who?", demonstration="I.", generation=f"Me{HOSTILE}", reward=0.25)
    )
    writer.write(Checkpoint(step=4, outer_iteration=1, name="0002-000000", seconds=0.1, bytes=2_000_000, reason=""))
    ending = {"reason": "the loss is nan" if state is State.FAILED else "", "hint": "Lower the rate."}
    status = {"total_steps": 4, "outer_iterations": 2, "step": 4, "outer_iteration": 1}
    if state is not None:
        writer.write(RunEnd(state=state, exit_code=0, **ending))
    writer.status(now=True, state=state or State.RUNNING, values={"heldout/nll": 2.5}, **status)


@pytest.fixture
def stand_in(monkeypatch, tmp_path) -> Callable[[str], None]:
    """Let `irltui run` start a script instead of the engine; `run` and `writer` are there for its lines."""

    def install(lines: str) -> None:
        script = tmp_path / "stand_in.py"
        script.write_text(_STAND_IN + lines)
        monkeypatch.setattr(engine, "ENGINE", [sys.executable, "-u", str(script)])

    return install


_STAND_IN = """
import os, signal, sys, time
from pathlib import Path
from irltui.runs.control import take
from irltui.runs.events import Log, Metrics, RunEnd, RunStart
from irltui.runs.folder import RunFolder
from irltui.runs.writer import RunWriter

run = RunFolder(Path(sys.argv[1]))
writer = RunWriter(run)

def start(resumed=None):
    writer.write(RunStart(pid=1, algorithm="irft", total_steps=2, outer_iterations=1, resumed_step=resumed))

def end(state, code, reason="", hint=""):
    writer.write(RunEnd(state=state, reason=reason, hint=hint, exit_code=code))
    sys.exit(code)

"""
