"""A run folder stays inside itself: links in it are refused, and only files of our own are deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.errors import RunFolderError
from irltui.runs.control import Command, send, take
from irltui.runs.events import Log
from irltui.runs.folder import RunFolder, create_run_folder, open_run_folder
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.writer import RunWriter

NAMES = [
    "events.jsonl",
    "status.json",
    "engine.lock",
    "console.log",
    "inputs.json",
    "control",
    "samples/0000.jsonl",
    "evaluations/gold-0000.jsonl",
    "checkpoints/0001-000000",
    "checkpoints/0001-000000/state.json",
    "model",
    "reward",
    "faults",
    "ranks/1.log",
    "anything",
]


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    made = create_run_folder(tmp_path / "run")
    write_manifest(made, new_manifest({"seed": 1}, {}))
    return made


def linked(run: RunFolder, name: str, target: Path) -> Path:
    place = run.path / name
    if place.is_dir():
        place.rmdir()
    place.parent.mkdir(exist_ok=True)
    place.unlink(missing_ok=True)
    place.symlink_to(target)
    return place


@pytest.mark.parametrize("name", NAMES)
def test_a_link_at_any_place_of_a_run_folder_is_refused_with_its_name(
    run: RunFolder, tmp_path: Path, name: str
) -> None:
    linked(run, name, tmp_path / "outside")
    with pytest.raises(RunFolderError, match=f"{name}.*: a symbolic link inside a run folder"):
        open_run_folder(run.path)


def test_what_a_tracker_links_in_its_own_folder_is_its_own_matter(run: RunFolder, tmp_path: Path) -> None:
    linked(run, "tracking/latest-run", tmp_path / "outside")
    assert open_run_folder(run.path) == run


def test_a_run_folder_may_itself_be_reached_through_a_link(run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(run.path)
    assert open_run_folder(tmp_path / "short").manifest.exists()


def test_the_log_is_never_written_through_a_link(run: RunFolder, tmp_path: Path) -> None:
    outside = tmp_path / "bashrc"
    outside.write_text("precious")
    linked(run, "events.jsonl", outside)
    with pytest.raises(RunFolderError, match="cannot be written"), RunWriter(run) as writer:
        writer.write(Log(text="x"))
    assert outside.read_text() == "precious"


def test_files_that_are_no_commands_are_left_alone(run: RunFolder) -> None:
    (run.control / "notes.json").write_text("{}")
    (run.control / "2026.json").write_text("{}")
    name = send(run, Command.PAUSE)
    assert [request.id for request in take(run) if not isinstance(request, str)] == [name]
    assert sorted(path.name for path in run.control.iterdir()) == ["2026.json", "notes.json"]
