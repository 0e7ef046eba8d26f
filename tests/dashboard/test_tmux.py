"""From end to end in tmux: a real engine on the tiny model, steered by keys, killed, left and found again."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("irltui.engine")
if shutil.which("tmux") is None:
    pytest.skip("tmux is not installed", allow_module_level=True)

from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.history import RunHistory
from irltui.runs.reader import read_events
from support import tiny
from support.runs import demonstrations
from support.tmux import PROMPT, Tmux

TOML = """
algorithm = "irft"
[data]
max_response_tokens = 8
held_out = 0.2
[loop]
passes = 200
outer_iterations = 8
batch = 4
[optimizer]
learning_rate = 1e-3
[evaluation]
samples = 2
"""


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    tiny.folder(home / "model")
    demonstrations(home / "demos.jsonl", count=64)
    (home / "long.toml").write_text(TOML)
    return home


@pytest.fixture
def tmux(inputs: Path) -> Iterator[Tmux]:
    session = Tmux(inputs)
    try:
        session.see(PROMPT.strip())  # what is typed before a shell reads may be lost
        yield session
    finally:
        session.end()


def history(run: Path) -> RunHistory:
    found = RunHistory()
    found.take(read_events(RunFolder(run).events))
    return found


def answered(run: Path, command: str, state: str = "applied", seconds: float = 40) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if any((a.command, a.state) == (command, state) for a in history(run).answers.values()):
            return
        time.sleep(0.2)
    raise AssertionError(f"{command} was not {state}: {history(run).answers}")


def start(tmux: Tmux, name: str) -> None:
    options = f"long.toml --model model --data demos.jsonl --out runs/{name} --set reward.beta=1.0"
    tmux.type(f"OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 {sys.executable} -m irltui run {options}; echo CODE=$?")
    tmux.see("running", "Reward gap", "healthy", seconds=120)


def test_a_run_is_paused_sampled_resumed_checkpointed_and_stopped(tmux: Tmux, inputs: Path) -> None:
    start(tmux, "steered")
    run = inputs / "runs" / "steered"
    tmux.press("P")
    tmux.see("‖ paused")
    paused_at = history(run).step
    tmux.press("S")
    tmux.see("Sample now")
    tmux.press("r", "e", "d", "?", "Enter")
    answered(run, "sample")
    assert history(run).asked[-1].prompt == "red?"
    assert history(run).step == paused_at
    tmux.see("● asked")  # the dashboard goes to the answer by itself
    tmux.press("2")
    tmux.see("‖ paused")
    tmux.press("R")
    tmux.see("● running")
    tmux.press("C")
    answered(run, "checkpoint")
    tmux.resize(40, 12)
    tmux.see("Reward gap", "Loss")
    tmux.resize(100, 30)
    tmux.wait(lambda seen: "Reward gap" in seen and "smooth" in seen, "the large chart")
    tmux.press("X", "y")
    tmux.see("■ stopped", seconds=60)
    end = history(run).end
    assert end is not None
    assert end.state == "stopped"
    tmux.press("q")
    tmux.see("CODE=0")


def test_leaving_lets_the_engine_work_and_a_killed_engine_is_told(tmux: Tmux, inputs: Path) -> None:
    start(tmux, "left")
    run = inputs / "runs" / "left"
    tmux.press("q", "Enter")
    tmux.see("CODE=0", PROMPT.strip())
    step = history(run).step
    tmux.type(f"clear; {sys.executable} -m irltui")
    tmux.see("left", "running")
    tmux.press("slash")
    tmux.press("l", "e", "f", "t", "Enter", "Enter")
    tmux.see("Reward gap", "steps")
    end = time.monotonic() + 30
    while history(run).step <= step and time.monotonic() < end:
        time.sleep(0.2)
    assert history(run).step > step
    pid = history(run).start.pid
    os.kill(pid, signal.SIGKILL)
    screen = tmux.see("✗ crashed", "last heard from")
    assert "Reward gap" in screen
    assert not any(event.kind == Kind.RUN_END for event in read_events(RunFolder(run).events))
    tmux.press("q")
    tmux.see(PROMPT.strip())
