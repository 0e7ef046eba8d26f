"""Who holds a run folder: by a lock of the file system, or by a lease where there are none."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from pathlib import Path

import pytest

from irltui.errors import RunFolderError
from irltui.runs import lock
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.lock import hold, is_held


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "run")


@pytest.fixture(params=[errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP], ids=errno.errorcode.get)
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(descriptor: int, operation: int) -> None:
        raise OSError(request.param, os.strerror(request.param))

    monkeypatch.setattr(fcntl, "flock", refuse)
    monkeypatch.setattr(lock, "BEAT", 0.1)
    monkeypatch.setattr(lock, "_BETWEEN", 0.001)


def lease(run: RunFolder) -> dict[str, object]:
    return json.loads((run.path / "engine.lease").read_text())


def write_lease(run: RunFolder, **fields: object) -> None:
    (run.path / "engine.lease").write_text(
        json.dumps({"host": os.uname().nodename, "pid": 1, "started": 0.0, "token": "theirs", "beats": 3} | fields)
    )


def test_a_file_system_with_locks_needs_no_lease(run: RunFolder) -> None:
    with hold(run) as notice:
        assert notice == ""
        assert is_held(run)
        assert not (run.path / "engine.lease").exists()
    assert not is_held(run)


@pytest.mark.usefixtures("no_locks")
def test_without_locks_a_lease_keeps_a_second_engine_away_and_says_so_once(run: RunFolder) -> None:
    with hold(run) as notice:
        assert "no file locks" in notice
        assert is_held(run)
        assert lease(run)["pid"] == os.getpid()
        with pytest.raises(RunFolderError, match=f"is working on this run \\(pid {os.getpid()} on"), hold(run):
            pass
    assert not is_held(run)
    assert not (run.path / "engine.lease").exists()


@pytest.mark.usefixtures("no_locks")
def test_the_lease_of_a_process_that_died_on_this_host_is_taken_over(run: RunFolder) -> None:
    write_lease(run, pid=os.getpid(), started=1.0)  # the number of a process is used again
    assert not is_held(run)
    with hold(run):
        assert lease(run)["token"] != "theirs"


@pytest.mark.usefixtures("no_locks")
def test_the_lease_of_another_host_is_stale_when_its_count_stands_still(run: RunFolder) -> None:
    write_lease(run, host="elsewhere")
    with hold(run):
        assert lease(run)["host"] == os.uname().nodename


@pytest.mark.usefixtures("no_locks")
def test_the_lease_of_another_host_that_counts_on_is_respected(run: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lease(run, host="elsewhere")
    monkeypatch.setattr(lock.time, "sleep", lambda seconds: write_lease(run, host="elsewhere", beats=4))
    with pytest.raises(RunFolderError, match="pid 1 on elsewhere"), hold(run):
        pass


@pytest.mark.usefixtures("no_locks")
def test_a_damaged_lease_holds_nothing(run: RunFolder) -> None:
    (run.path / "engine.lease").write_text("{")
    with hold(run):
        assert is_held(run)
