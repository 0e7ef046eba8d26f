"""Every file of a run folder, cut and flipped in turn: the run ends the same, or says what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from irltui.engine.safepoint import SafePoint, Stop
from irltui.errors import EXIT_OK
from irltui.runs.doctor import diagnose
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.status import State
from support.compare import assert_same, weights
from support.runs import Change, config, demonstrations, events, finish, prepare, rft, work
from support.tiny import folder

ALGORITHMS: dict[str, Change] = {"irft": {}, "rft": rft({"update": {"kind": "boltzmann", "steps": 2}})}
HARMS = ("cut", "flip")


def harm(file: Path, how: str) -> None:
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    if how == "cut":
        file.write_bytes(content[:middle])
    else:
        content[middle] ^= 1
        file.write_bytes(content)


def interrupted(path: Path, values: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    """A run that stopped in its second outer iteration, with checkpoints and stored generations of both."""
    run = prepare(path, values)
    true = SafePoint.poll

    def poll(self: SafePoint) -> None:
        if (run.samples / "0001.reference.jsonl").exists():
            raise Stop(State.STOPPED, "interrupted by the test", EXIT_OK)
        true(self)

    with monkeypatch.context() as patched:
        patched.setattr(SafePoint, "poll", poll)
        assert work(run) == EXIT_OK
    return run


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_damaged_file_is_noticed_or_harmless(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    inputs = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)
    change = {**ALGORITHMS[name], "checkpoint": {"every_steps": 2, "keep": 2}, "loop": {"outer_iterations": 2}}
    values = config(*inputs, change)
    expected = finish(tmp_path / "whole", values)
    stopped = interrupted(tmp_path / "stopped", values, monkeypatch)
    files = [file.relative_to(stopped.path) for file in sorted(stopped.path.rglob("*")) if file.is_file()]
    assert len(files) > 12
    assert diagnose(stopped).problems == diagnose(expected).problems == 0
    for file in files:
        for how in HARMS:
            run = RunFolder(tmp_path / "damaged")
            shutil.rmtree(run.path, ignore_errors=True)
            shutil.copytree(stopped.path, run.path)
            if not (run.path / file).read_bytes():
                continue
            harm(run.path / file, how)
            if file.name == "run.json" or file.parts[0] == "checkpoints":
                assert diagnose(run).problems, (file, how)
            if file.parts[0] == "samples" and how == "flip":  # a cut may fall between two lines
                assert diagnose(run).problems, (file, how)
            could = diagnose(run).resumes_from is not None
            code = work(run)
            assert (code == EXIT_OK) == could, (file, how, "doctor and --resume disagree")
            if code == EXIT_OK and file.name == "events.jsonl":  # a lost line is a lost line; what was learned is not
                ours, theirs = weights(run), weights(expected)
                assert all((ours[key] == theirs[key]).all() for key in theirs), (file, how)
            elif code == EXIT_OK:
                # Generations of an iteration that is over are not read again: what was learned does not change.
                assert_same(run, expected, but_for=file.name)
            else:
                said = events(run, Kind.RUN_END)[-1]
                assert file.name in str(said.reason), (file, how, said)
                assert said.hint, (file, how, said)
                assert "fault of irltui" not in str(said.hint), (file, how, said)
