"""From end to end in tmux: a real engine on the tiny model, steered by keys, killed, left and found again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
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


PROMPT = "ready> "


class Tmux:
    """One session on a server of its own; what tmux itself complains of is part of every failure."""

    def __init__(self, folder: Path, width: int = 100, height: int = 30) -> None:
        # A new one each: a session must not join a server that is about to end.
        self.socket = tempfile.mktemp(prefix="tmux-", dir=folder)
        size = ("-x", str(width), "-y", str(height))
        # The shell sets its prompt itself (many take none from the environment): the fixture waits for it.
        setup = folder / "shell-setup"
        setup.write_text(f"PS1='{PROMPT}'\n")
        shell = ("-e", f"ENV={setup}", "-e", "LC_ALL=C.UTF-8", "-c", str(folder), "sh")
        complaint = self._call("-f", "/dev/null", "new-session", "-d", "-s", "t", *size, *shell).stderr
        assert not complaint, complaint
        self._call("set-option", "-g", "status", "off")
        # A program that ends its session by accident leaves its last words to be read.
        self._call("set-option", "-g", "remain-on-exit", "on")

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # A size in the environment would hide the terminal's own.
        names = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "TMUX"}}
        line = ["tmux", "-S", self.socket, *arguments]
        return subprocess.run(line, capture_output=True, text=True, env=names, check=False)

    def type(self, line: str) -> None:
        self._call("send-keys", "-t", "t", line, "Enter")

    def press(self, *keys: str) -> None:
        for key in keys:
            self._call("send-keys", "-t", "t", key)
            time.sleep(0.05)  # escape sequences must not run together

    def screen(self) -> str:
        return self._call("capture-pane", "-p", "-t", "t").stdout

    def state(self) -> str:
        """What tmux knows of the session: why a screen is empty."""
        format_ = "pane dead: #{pane_dead} #{pane_dead_status}, command: #{pane_current_command}"
        asked = self._call("display-message", "-p", "-t", "t", format_)
        return (asked.stdout + asked.stderr).strip()

    def wait(self, done: Callable[[str], bool], what: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            captured = self._call("capture-pane", "-p", "-t", "t")
            if captured.returncode:
                raise AssertionError(f"{what} cannot come, the server is gone: {captured.stderr.strip()}")
            if done(captured.stdout):
                return captured.stdout
            time.sleep(0.2)
        raise AssertionError(f"{what} did not come ({self.state()}):\n{self.screen()}")

    def see(self, *texts: str, seconds: float = 60) -> str:
        return self.wait(lambda screen: all(text in screen for text in texts), repr(texts), seconds)

    def resize(self, width: int, height: int) -> None:
        self._call("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    def end(self) -> None:
        self._call("kill-server")


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
