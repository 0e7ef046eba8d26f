"""Which runs lie below a folder, and what a search leaves out."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from irltui.runs import find
from irltui.runs.find import find_runs


def add_run(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "run.json").write_text("{}")
    return path


def test_runs_are_found_at_any_depth_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    paths = [add_run(tmp_path / name) for name in ("a/b/c/d/e/f/run", "seed-2", "seed-10")]
    assert [run.path for run in find_runs(tmp_path).runs] == paths
    assert find_runs(tmp_path).left_out == ""


def test_links_and_hidden_folders_are_not_followed(tmp_path: Path) -> None:
    run = add_run(tmp_path / "runs" / "one")
    add_run(tmp_path / "elsewhere")
    (tmp_path / "runs" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "runs" / "around").symlink_to(tmp_path / "runs")
    add_run(tmp_path / "runs" / ".cache" / "two")
    assert [found.path for found in find_runs(tmp_path / "runs").runs] == [run]


def test_folders_without_permission_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    add_run(tmp_path / "one")
    for name in ("alice", "bob"):
        (tmp_path / name).mkdir()
    scan = os.scandir

    def scandir(path: Path) -> Iterator[os.DirEntry[str]]:
        if path.name in {"alice", "bob"}:  # root, who runs tests in containers, may read everything
            raise PermissionError(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = find_runs(tmp_path)
    assert [run.path.name for run in found.runs] == ["one"]
    assert found.left_out == f"no permission to read {tmp_path / 'alice'} and 1 more"


def test_a_search_of_a_huge_tree_ends_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(find, "MOST_FOLDERS", 3)
    for number in range(5):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "below").mkdir()
    found = find_runs(tmp_path)
    assert not found.is_complete
    assert "stopped after 3 folders" in found.left_out
