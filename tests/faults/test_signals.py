"""Signals, each at work and while paused: what is saved, how the process ends, and that the run goes on from there."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from faults import kills
from irltui.engine.trainer import Drive
from irltui.errors import EXIT_PREEMPTED
from irltui.experiments.process import ENGINE
from irltui.runs.control import Command, send
from irltui.runs.deadline import Deadline, set_deadline
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from support.compare import assert_same
from support.runs import config, demonstrations, events, prepare
from support.tiny import folder


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> kills.Whole:
    return kills.whole(tmp_path_factory.mktemp("signals"), "irft")


def after_step(number: int, act: Callable[[], None]) -> None:
    """Let the engine of this process do something to itself between two steps."""
    true = Drive._watch_inner_loop

    def watch(self: Drive) -> None:
        true(self)
        if self._journal.position.step == number:
            act()

    Drive._watch_inner_loop = watch  # type: ignore[method-assign]


def receive(*numbers: signal.Signals) -> None:
    """Get signals, one after the other."""
    for number in numbers:
        os.kill(os.getpid(), number)


def worked(run: RunFolder, act: Callable[[], None]) -> int:
    """An engine that does `act` after its second step; its exit code, negative for a signal."""
    return kills.wait(kills.engine(run, lambda: after_step(2, act)))


TERM, INT, USR1, HUP = signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP


@pytest.mark.parametrize(
    ("numbers", "code", "state"),
    [
        ([TERM], 75, "preempted"),
        ([INT], 130, "stopped"),
        ([TERM, INT], 130, "stopped"),
        ([INT, TERM], 75, "preempted"),
        ([INT, INT], -2, None),
        ([USR1], 0, "finished"),
        ([USR1, TERM], 75, "preempted"),
        ([HUP], 0, "finished"),
    ],
    ids=lambda value: "+".join(number.name for number in value) if isinstance(value, list) else "",
)
def test_a_signal_ends_the_run_as_promised_and_it_goes_on_to_the_same_end(
    tmp_path: Path, known: kills.Whole, numbers: list[signal.Signals], code: int, state: str | None
) -> None:
    run = prepare(tmp_path / "run", known.values)
    assert worked(run, lambda: receive(*numbers)) == code
    ends = events(run, Kind.RUN_END)
    assert (ends[-1].state if ends else None) == state
    reasons = {event.reason for event in events(run, Kind.CHECKPOINT)}
    assert ("asked by SIGUSR1" in reasons) == (USR1 in numbers)
    if state in {"preempted", "stopped"}:
        assert any("SIG" in reason for reason in reasons - {"asked by SIGUSR1"})
        assert "--resume" in ends[-1].hint
    if state != "finished":
        assert kills.wait(kills.engine(run, lambda: None)) == 0
    assert_same(run, known.run)


def test_a_run_whose_time_is_nearly_over_saves_and_stops_and_goes_on_to_the_same_end(
    tmp_path: Path, known: kills.Whole
) -> None:
    run = prepare(tmp_path / "run", known.values)

    def be_late() -> None:
        Deadline.is_near = property(lambda self: True)  # type: ignore[assignment,method-assign]

    def limited() -> None:
        set_deadline("1h")
        after_step(2, be_late)

    assert kills.wait(kills.engine(run, limited)) == EXIT_PREEMPTED
    (end,) = events(run, Kind.RUN_END)
    assert (end.state, end.reason) == ("preempted", "stopped before the deadline")
    assert events(run, Kind.CHECKPOINT)[-1].reason == end.reason
    assert kills.wait(kills.engine(run, lambda: None)) == 0
    assert_same(run, known.run)


def until(run: RunFolder, happened: Callable[[], bool]) -> None:
    last = time.monotonic() + 60
    while not happened():
        assert time.monotonic() < last, run.events.read_text()[-2000:]
        time.sleep(0.02)  # between two looks at a file


def saved_by_usr1(run: RunFolder) -> bool:
    return any(event.reason == "asked by SIGUSR1" for event in events(run, Kind.CHECKPOINT))


@pytest.mark.parametrize(("number", "code", "state"), [(TERM, 75, "preempted"), (INT, 130, "stopped")])
def test_a_paused_run_hears_signals_and_goes_on_to_the_same_end(
    tmp_path: Path, known: kills.Whole, number: signal.Signals, code: int, state: str
) -> None:
    run = prepare(tmp_path / "run", known.values)
    pid = kills.engine(run, lambda: after_step(2, lambda: send(run, Command.PAUSE) and time.sleep(0.3)))
    until(run, lambda: run.status.exists() and json.loads(run.status.read_text())["state"] == "paused")
    os.kill(pid, HUP)
    os.kill(pid, USR1)
    until(run, lambda: saved_by_usr1(run))
    until(run, lambda: json.loads(run.status.read_text())["state"] == "paused")  # still, or again
    os.kill(pid, number)
    assert kills.wait(pid) == code
    assert events(run, Kind.RUN_END)[-1].state == state
    assert kills.wait(kills.engine(run, lambda: None)) == 0
    assert_same(run, known.run)


def test_a_run_that_was_paused_and_told_to_resume_ends_the_same(tmp_path: Path, known: kills.Whole) -> None:
    run = prepare(tmp_path / "run", known.values)
    pid = kills.engine(run, lambda: after_step(2, lambda: send(run, Command.PAUSE) and time.sleep(0.3)))
    until(run, lambda: run.status.exists() and json.loads(run.status.read_text())["state"] == "paused")
    send(run, Command.RESUME)
    assert kills.wait(pid) == 0
    assert_same(run, known.run)


def test_a_rank_that_waits_for_another_one_answers_a_signal(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    alone = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    engine = subprocess.Popen([*ENGINE, str(run.path)], env=os.environ | alone)
    while not run.status.exists() and engine.poll() is None:
        time.sleep(0.05)
    engine.terminate()
    assert engine.wait(60) == 75
    assert [e.state for e in events(run, Kind.RUN_END)] == ["preempted"]
