"""Checkpoints are written while training goes on, and nothing depends on when they are whole."""

from __future__ import annotations

import os
import shutil
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from faults import kills
from irltui.engine import checkpoint, saving, trainer
from irltui.engine.checkpoint import Contents
from irltui.engine.host_memory import available
from irltui.engine.position import Position
from irltui.engine.safepoint import SafePoint
from irltui.engine.stepper import Stepper
from irltui.engine.trained import Trained
from irltui.errors import EXIT_FAILED, EXIT_OK, IrltuiError
from irltui.runs.checkpoints import newest_usable
from irltui.runs.control import Command, send
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from support.compare import assert_same
from support.runs import Change, config, demonstrations, events, finish, prepare, rft, work
from support.tiny import folder

LONGEST = 60.0  # seconds that something may take which happens at once
EVERY: Change = {"checkpoint": {"every_steps": 1, "keep": 2}}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("inputs")
    return folder(path / "model"), demonstrations(path / "demos.jsonl", 14)


@pytest.fixture(scope="module")
def expected(inputs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """The run whose checkpoints training waits for."""
    change: Change = {"checkpoint": {**EVERY["checkpoint"], "background": False}}
    return finish(tmp_path_factory.mktemp("expected") / "run", config(*inputs, change))


def around_writing(monkeypatch: pytest.MonkeyPatch, before: Callable[[Path], Any]) -> None:
    """Do something whenever a checkpoint's files are going to be written, where they are."""
    true = Contents.write

    def write(self: Contents, folder: Path) -> Any:
        before(folder)
        return true(self, folder)

    monkeypatch.setattr(Contents, "write", write)


def behind_each_step(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], Any]) -> None:
    true, done = Stepper.step, [0]

    def step(self: Stepper, planned: int) -> tuple[float, float]:
        moved = true(self, planned)
        done[0] += 1
        act(done[0])
        return moved

    monkeypatch.setattr(Stepper, "step", step)


def test_training_takes_steps_while_a_checkpoint_is_written_and_the_result_is_the_same(
    tmp_path: Path, inputs: tuple[Path, Path], expected: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved, waited = threading.Event(), []

    def until_a_step(folder: Path) -> None:
        if not waited:
            waited.append(moved.wait(LONGEST))

    around_writing(monkeypatch, until_a_step)
    behind_each_step(monkeypatch, lambda done: moved.set() if done == 2 else None)  # one is behind the checkpoint
    run = finish(tmp_path / "run", config(*inputs, EVERY))
    assert waited == [True]
    assert_same(run, expected)
    first = events(run, Kind.CHECKPOINT)[0]
    assert 0 < first.held < first.seconds


def test_one_checkpoint_is_written_at_a_time_and_those_that_must_stay_stay(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def look(folder: Path) -> None:
        seen.append([thread.name for thread in threading.enumerate()].count("checkpoint"))

    around_writing(monkeypatch, look)
    run = finish(tmp_path / "run", config(*inputs, EVERY))
    assert len(seen) == len(events(run, Kind.CHECKPOINT))
    assert set(seen) <= {0, 1}
    assert not [path.name for path in run.checkpoints.iterdir() if path.name.startswith(".")]


def test_a_copy_does_not_change_with_the_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = torch.optim.AdamW([weight], lr=0.1)
    weight.sum().backward()
    optimizer.step()
    trained = Trained({"weight": weight}, optimizer, None)
    copied = checkpoint.contents(trained, Position(), copy=True).whole
    before = {file: {name: tensor.clone() for name, tensor in tensors.items()} for file, tensors in copied.items()}
    optimizer.step()
    assert all(torch.equal(copied[file][name], before[file][name]) for file in before for name in before[file])
    assert not torch.equal(before["parameters"]["weight"], weight.detach())


def test_without_memory_for_a_copy_training_waits(
    tmp_path: Path, inputs: tuple[Path, Path], expected: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saving, "available", lambda: 0.0)
    threads = []
    around_writing(monkeypatch, lambda folder: threads.append(threading.current_thread().name))
    run = finish(tmp_path / "run", config(*inputs, EVERY))
    assert set(threads) == {"MainThread"}
    assert all(event.held == event.seconds for event in events(run, Kind.CHECKPOINT))
    assert_same(run, expected)


def test_what_a_group_of_processes_may_use_counts(tmp_path: Path) -> None:
    (tmp_path / "cgroup").write_text("0::/job/step\n")
    step = tmp_path / "groups" / "job" / "step"
    step.mkdir(parents=True)
    for group, most, used in ((step, "max", "100"), (step.parent, "5000", "1000")):
        (group / "memory.max").write_text(most)
        (group / "memory.current").write_text(used)
    assert available(tmp_path / "groups", tmp_path / "cgroup") == 4000
    assert available(tmp_path / "groups", tmp_path / "none") > 4000


# -- ends ------------------------------------------------------------------------------------------


def test_the_result_is_written_when_no_checkpoint_is_any_more(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    true, whole = trainer.export, []

    def export(run: RunFolder, parts: Any) -> Any:
        whole.append([thread.name for thread in threading.enumerate()].count("checkpoint"))
        whole.append((run.checkpoints / "0002-000000" / "manifest.json").exists())
        return true(run, parts)

    monkeypatch.setattr(trainer, "export", export)
    finish(tmp_path / "run", config(*inputs))
    assert whole == [0, True]


@pytest.mark.parametrize("command", [Command.CHECKPOINT, Command.STOP])
def test_who_asks_for_a_checkpoint_is_answered_when_it_is_whole(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    run = prepare(tmp_path / "run", config(*inputs))
    behind_each_step(monkeypatch, lambda done: send(run, command) if done == 1 else None)
    monkeypatch.setattr("irltui.engine.safepoint.LOOK_EVERY", 0.0)
    work(run)
    told = [(event.kind, event) for event in events(run, Kind.CHECKPOINT, Kind.CONTROL, Kind.RUN_END)]
    saved = next(
        i for i, (kind, event) in enumerate(told) if kind == Kind.CHECKPOINT and event.reason != "outer iteration"
    )
    if command is Command.CHECKPOINT:
        answered = next(i for i, (kind, event) in enumerate(told) if kind == Kind.CONTROL and event.state == "applied")
        assert saved < answered
        assert told[answered][1].detail == told[saved][1].name
    else:
        assert saved == len(told) - 2
        assert newest_usable(run)[0] == told[saved][1].name


def kill_in_writing(number: int) -> None:
    """Die while the `number`-th checkpoint is half written, by a thread beside the one that trains."""
    true, count = checkpoint.replace_json, [0]

    def replace_json(*arguments: Any, **options: Any) -> None:
        count[0] += 1
        if count[0] == number and threading.current_thread().name == "checkpoint":
            os.kill(os.getpid(), signal.SIGKILL)
        true(*arguments, **options)

    checkpoint.replace_json = replace_json


@pytest.mark.parametrize("change", [{}, rft()], ids=["irft", "rft"])
def test_a_kill_amid_writing_leaves_the_checkpoint_before_in_force_and_the_run_ends_the_same(
    tmp_path: Path, inputs: tuple[Path, Path], change: Change
) -> None:
    values = config(*inputs, {**change, **EVERY})
    whole, run = finish(tmp_path / "whole", values), prepare(tmp_path / "run", values)
    assert kills.wait(kills.engine(run, lambda: kill_in_writing(3))) == -signal.SIGKILL
    (half,) = run.checkpoints.glob(".*.tmp")
    assert (half / "parameters.safetensors").exists()
    name, skipped = newest_usable(run)
    assert (name, skipped) == (events(run, Kind.CHECKPOINT)[-1].name, [])
    assert kills.wait(kills.engine(run, lambda: None)) == EXIT_OK
    assert not half.exists()
    assert_same(run, whole)


def fail_once(monkeypatch: pytest.MonkeyPatch, error: Exception, number: int = 2) -> None:
    """The `number`-th checkpoint cannot be written."""
    count = [0]

    def fail(folder: Path) -> None:
        count[0] += 1
        if count[0] == number:
            raise error

    around_writing(monkeypatch, fail)


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("a bug")], ids=["disk", "bug"])
def test_an_error_in_the_background_ends_the_run_which_goes_on_from_the_checkpoint_before(
    tmp_path: Path, inputs: tuple[Path, Path], expected: RunFolder, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = prepare(tmp_path / "run", config(*inputs, EVERY))
    with monkeypatch.context() as disk:
        fail_once(disk, error)
        assert work(run) == EXIT_FAILED
    (end,) = events(run, Kind.RUN_END)
    assert "0000-000002: cannot be written" in end.reason
    assert str(error.args[-1]) in end.reason
    assert newest_usable(run) == ("0000-000001", [])
    assert not list(run.checkpoints.glob(".*"))
    assert work(run) == EXIT_OK
    assert_same(run, expected)


def test_an_error_that_other_code_swallows_is_raised_again(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    true = SafePoint.poll

    def poll(self: SafePoint) -> None:
        try:
            true(self)
        except IrltuiError:
            swallowed.append(1)

    swallowed: list[int] = []
    monkeypatch.setattr(SafePoint, "poll", poll)
    fail_once(monkeypatch, OSError(28, "No space left on device"))
    run = prepare(tmp_path / "run", config(*inputs, EVERY))
    assert work(run) == EXIT_FAILED
    assert "0000-000002: cannot be written" in events(run, Kind.RUN_END)[-1].reason


def test_a_run_that_is_told_to_stop_saves_though_the_checkpoint_before_has_failed(
    tmp_path: Path, inputs: tuple[Path, Path], expected: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare(tmp_path / "run", config(*inputs, EVERY))
    stopping = threading.Event()
    with monkeypatch.context() as disk:
        count = [0]

        def fail(folder: Path) -> None:
            count[0] += 1
            if count[0] == 2:
                assert stopping.wait(LONGEST)
                raise OSError(28, "No space left on device")

        around_writing(disk, fail)
        true = SafePoint.poll

        def poll(self: SafePoint) -> None:
            if count[0] == 2 and not stopping.is_set():
                self._on_leave(signal.SIGTERM, None)
                try:
                    true(self)
                finally:
                    stopping.set()
            true(self)

        disk.setattr(SafePoint, "poll", poll)
        assert work(run) == 75
    assert [event.code for event in events(run, Kind.ALERT) if event.code == "checkpoint"] == ["checkpoint"]
    assert newest_usable(run) == ("0000-000002", [])
    assert work(run) == EXIT_OK
    assert_same(run, expected)


def test_a_run_that_fails_for_another_reason_keeps_what_was_being_written(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = threading.Event()
    around_writing(monkeypatch, lambda folder: failing.wait(LONGEST))

    def fail(done: int) -> None:
        if done == 2:
            failing.set()
            raise ZeroDivisionError

    behind_each_step(monkeypatch, fail)
    run = prepare(tmp_path / "run", config(*inputs, EVERY))
    assert work(run) == EXIT_FAILED
    assert newest_usable(run) == ("0000-000001", [])
    assert events(run, Kind.CHECKPOINT)[-1].name == "0000-000001"
    assert "ZeroDivisionError" in events(run, Kind.RUN_END)[-1].reason


def test_a_checkpoint_of_a_place_reached_again_takes_the_others_place(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.checkpoints.mkdir()
    weight = torch.nn.Parameter(torch.ones(3))
    trained = Trained({"weight": weight}, torch.optim.AdamW([weight]), None)
    for value in (1.0, 2.0):
        weight.data.fill_(value)
        contents = checkpoint.contents(trained, Position(), copy=False)
        checkpoint.begin(run, contents.name, None)
        checkpoint.finish(run, contents.name, contents.write(checkpoint.beside(run, contents.name)))
    assert [path.name for path in run.checkpoints.iterdir()] == ["0000-000000"]
    found = torch.nn.Parameter(torch.zeros(3))
    checkpoint.load_weights(run.checkpoints / "0000-000000", {"weight": found}, None)
    assert found.tolist() == [2.0] * 3
    shutil.rmtree(run.checkpoints)
