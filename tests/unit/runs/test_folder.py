"""The run folder: who may make one, hold one, and what can be said of one from outside."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from irltui.errors import NoRunError, RunFolderError
from irltui.runs.control import Command, Request, send, take
from irltui.runs.events import Event, PhaseProgress, RunEnd, RunStart
from irltui.runs.folder import RunFolder, create_run_folder, is_run, open_run_folder
from irltui.runs.lock import hold
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.runs.status import State, read_status
from irltui.runs.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = create_run_folder(tmp_path / "run")
    write_manifest(made, new_manifest({"seed": 1}, {"seed": "--set seed=1"}))
    return made


def test_a_run_folder_is_its_owners_alone(run: RunFolder) -> None:
    """Commands to the engine are put there."""
    assert stat.S_IMODE(run.path.stat().st_mode) == 0o700
    assert stat.S_IMODE(run.control.stat().st_mode) == 0o700


def test_a_second_run_in_one_folder_is_refused(run: RunFolder) -> None:
    with pytest.raises(RunFolderError, match="already holds a run"):
        create_run_folder(run.path)


def test_a_run_that_failed_before_it_began_makes_room_for_its_next_try(run: RunFolder) -> None:
    with RunWriter(run) as writer:
        writer.write(PhaseProgress("prepare"))
        writer.write(RunEnd("failed", exit_code=2))
    create_run_folder(run.path)
    assert not run.manifest.exists()
    assert not run.events.exists()


@pytest.mark.parametrize("begun", [RunStart(), PhaseProgress("prepare")], ids=["run_start", "phase"])
def test_a_run_that_began_or_still_works_is_never_overwritten(run: RunFolder, begun: Event) -> None:
    with RunWriter(run) as writer:
        writer.write(begun)
        if isinstance(begun, RunStart):
            writer.write(RunEnd("failed", exit_code=1))
    with pytest.raises(RunFolderError, match="already holds a run"):
        create_run_folder(run.path)


def test_a_folder_that_cannot_be_made_names_itself(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match="cannot make the run folder"):
        create_run_folder(tmp_path / "file" / "run")


def test_no_run_is_an_error_of_its_own_with_exit_code_3(tmp_path: Path) -> None:
    with pytest.raises(NoRunError) as caught:
        open_run_folder(tmp_path)
    assert caught.value.exit_code == 3
    assert not is_run(tmp_path)


def test_the_manifest_reads_back_with_config_and_versions(run: RunFolder) -> None:
    manifest = read_manifest(run)
    assert manifest.config == {"seed": 1}
    assert manifest.origins == {"seed": "--set seed=1"}
    assert {"python", "torch", "transformers"} <= manifest.versions.keys()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"schema": "x"}'])
def test_a_damaged_manifest_is_named(run: RunFolder, content: str) -> None:
    run.manifest.write_text(content)
    with pytest.raises(RunFolderError, match=r"run\.json: damaged"):
        read_manifest(run)


def test_a_manifest_of_a_newer_irltui_is_refused(run: RunFolder) -> None:
    value = json.loads(run.manifest.read_text())
    run.manifest.write_text(json.dumps({**value, "schema": 99, "irltui": "9.0"}))
    with pytest.raises(RunFolderError, match=r"newer irltui \(9\.0\)"):
        read_manifest(run)


def test_a_second_engine_is_refused_with_the_first_ones_pid(run: RunFolder) -> None:
    code = f"""
import sys
from pathlib import Path
from irltui.errors import RunFolderError
from irltui.runs.events import Event, PhaseProgress, RunEnd, RunStart
from irltui.runs.folder import RunFolder
from irltui.runs.lock import hold
try:
    with hold(RunFolder(Path({str(run.path)!r}))):
        sys.exit("held twice")
except RunFolderError as error:
    print(error.message)
"""
    with hold(run):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"an engine is working on this run (pid {os.getpid()} on " in other.stdout
    with hold(run):
        pass  # free again, and the file that is left behind stops nobody


def test_commands_arrive_once_in_order(run: RunFolder) -> None:
    ids = [send(run, Command.PAUSE), send(run, Command.NOTE, "hello"), send(run, Command.RESUME)]
    taken = take(run)
    assert [request.id for request in taken if isinstance(request, Request)] == ids
    assert [request.command for request in taken if isinstance(request, Request)] == ["pause", "note", "resume"]
    assert taken[1].text == "hello"  # type: ignore[union-attr]
    assert take(run) == []


@pytest.mark.parametrize("content", ["", "[]", '{"command": "explode", "id": "1", "text": "", "sent": 0}'])
def test_a_file_that_is_no_command_is_taken_away_and_named(run: RunFolder, content: str) -> None:
    (run.control / "1-a.json").write_text(content)
    assert take(run) == ["1-a.json"]
    assert take(run) == []


def test_what_is_no_plain_file_in_control_is_passed_over(run: RunFolder, tmp_path: Path) -> None:
    os.mkfifo(run.control / "2-a.json")
    (run.control / "3-a.json").mkdir()
    (tmp_path / "elsewhere").write_text("{}")
    (run.control / "4-a.json").symlink_to(tmp_path / "elsewhere")
    assert take(run) == []
    assert (tmp_path / "elsewhere").exists()


def test_commands_in_a_folder_that_is_gone_are_none(tmp_path: Path) -> None:
    assert take(RunFolder(tmp_path / "gone")) == []


def put_status(run: RunFolder, **fields: object) -> None:
    run.status.write_text(json.dumps({"time": time.time(), "host": os.uname().nodename, **fields}))


def test_a_running_run_without_its_engine_has_crashed(run: RunFolder) -> None:
    put_status(run, state="running", step=3)
    with hold(run):
        assert read_status(run).state == State.RUNNING
    assert read_status(run).state == State.CRASHED
    assert read_status(run).step == 3


def test_a_run_on_another_host_is_held_for_crashed_when_its_heartbeat_is_late(run: RunFolder) -> None:
    put_status(run, state="running", host="elsewhere")
    assert read_status(run).state == State.RUNNING
    put_status(run, state="running", host="elsewhere", time=time.time() - 1000)
    assert read_status(run).state == State.CRASHED


@pytest.mark.parametrize("state", ["finished", "stopped", "preempted", "failed"])
def test_an_ended_run_stays_what_it_was(run: RunFolder, state: str) -> None:
    put_status(run, state=state, time=0.0)
    assert read_status(run).state == state


@pytest.mark.parametrize("content", ["", "nonsense", "[]", '{"state": "dancing"}', '{"state": "running", "values": 3}'])
def test_a_damaged_status_is_no_error(run: RunFolder, content: str) -> None:
    run.status.write_text(content)
    assert read_status(run).values == {}


def test_a_folder_that_may_not_be_looked_into_holds_no_run_of_ours(tmp_path: Path, monkeypatch) -> None:
    def refuse(_path: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "is_file", refuse)  # no permission stops root, this does
    assert not is_run(tmp_path)
