"""A disk that takes no more: said with the path, nothing good is lost, and with room again the run ends the same."""

from __future__ import annotations

import errno
import os
import resource
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from faults import kills
from irltui.engine.journal import Journal
from irltui.errors import RunFolderError
from irltui.runs import checked_rows
from irltui.runs.events import Kind, Log, Phase
from irltui.runs.folder import RunFolder
from irltui.runs.reader import read_events
from irltui.runs.writer import RunWriter
from support.compare import assert_same
from support.runs import events, prepare, work

SMALL = 64  # bytes a file may have when the disk is "full"
NEEDS = "MB are needed"


def fill_up_at(phase: Phase, console: int) -> None:
    """From the first `phase` of this process on (the second checkpoint), no file may grow beyond a few bytes."""
    sys.stderr = os.fdopen(console, "w", buffering=1)
    true, seen = Journal.phase, [0]

    def told(self: Journal, now: Phase, *arguments: object, **options: object) -> None:
        true(self, now, *arguments, **options)  # type: ignore[arg-type]
        seen[0] += now is phase
        if seen[0] == (2 if phase is Phase.CHECKPOINT else 1):
            resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, resource.RLIM_INFINITY))

    Journal.phase = told  # type: ignore[method-assign]


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> kills.Whole:
    return kills.whole(tmp_path_factory.mktemp("full"), "irft")


@pytest.mark.parametrize(
    ("phase", "path", "said"),
    [
        (Phase.SAMPLE, "samples/0000.jsonl", "--resume"),
        (Phase.REFERENCE, "samples/0000.reference.jsonl", "--resume"),
        (Phase.UPDATE, "events.jsonl", "--resume"),
        (Phase.CHECKPOINT, "checkpoints/", NEEDS),
        (Phase.EXPORT, "model", NEEDS),
    ],
)
def test_a_full_disk_is_named_and_with_room_again_the_run_ends_the_same(
    tmp_path: Path, known: kills.Whole, phase: Phase, path: str, said: str
) -> None:
    run = prepare(tmp_path / "run", known.values)
    read, write = os.pipe()  # what the engine prints cannot go to a file either
    pid = kills.engine(run, lambda: fill_up_at(phase, write))
    os.close(write)
    with os.fdopen(read) as console:
        told = console.read()
    assert kills.wait(pid) == 1
    assert f"{run.path}/{path}" in told
    assert said in told
    assert "Traceback" not in told
    assert kills.wait(kills.engine(run, lambda: None)) == 0
    assert_same(run, known.run)
    assert all(name.startswith("0") for name in os.listdir(run.checkpoints))  # noqa: PTH208


def test_no_event_follows_half_a_line(tmp_path: Path) -> None:
    """A fork, because a limit that was lowered stays."""
    run = RunFolder(tmp_path)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            with RunWriter(run) as writer:
                writer.write(Log(level="info", text="first"))
                size = run.events.stat().st_size
                resource.setrlimit(resource.RLIMIT_FSIZE, (size + 120, resource.RLIM_INFINITY))
                try:
                    writer.write(Log(level="info", text="long" * 99))
                except RunFolderError:
                    writer.write(Log(level="info", text=""))
                    code = 0
        finally:
            os._exit(code)
    assert kills.wait(pid) == 0
    assert [(event.seq, event.text) for event in read_events(run.events)] == [(0, "first"), (1, "")]


@pytest.mark.parametrize("name", ["engine.lock", "events.jsonl"])
def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, known: kills.Whole, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    run = prepare(tmp_path / "run", known.values)
    (run.path / name).mkdir()  # no permission stops root, this does
    assert work(run) == 1
    assert f"{run.path}/{name}: a folder at the place of a file" in capsys.readouterr().err


def test_where_finished_generations_cannot_be_compressed_the_run_says_so_and_goes_on_later(
    tmp_path: Path, known: kills.Whole, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    run = prepare(tmp_path / "run", known.values)
    with monkeypatch.context() as disk:
        disk.setattr(checked_rows, "replacing", full)
        assert work(run) == 1
    said = events(run, Kind.RUN_END)[-1]
    assert f"{run.samples}/0000.jsonl.gz: cannot be written" in said.reason
    assert "--resume" in said.hint
    assert work(run) == 0
    assert_same(run, known.run)
    assert not list(run.samples.glob("*.jsonl"))
