"""A file that is made in pieces: whole or absent, continued by the same command alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from irltui.errors import RunFolderError
from irltui.use.output import Job, Output

JOB = Job("score", "runs/first", "aaaa", "demos.jsonl", "bbbb", {"tokens": False})
ROWS = [{"row": i, "reward": i / 2, "prompt": "Grüße\u2028"} for i in range(1, 8)]


def made(path: Path, job: Job = JOB, view: dict[str, object] | None = None, *, overwrite: bool = False) -> Output:
    return Output(path, job, view or {}, overwrite=overwrite)


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def finished(path: Path) -> Path:
    with made(path) as output:
        output.append(ROWS)
        output.finish(output.lines(), {"rows": len(ROWS)})
    return path


def test_rows_come_out_as_they_went_in_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = finished(tmp_path / "new" / "scores.jsonl")
    assert lines(path) == ROWS
    assert sorted(file.name for file in path.parent.iterdir()) == ["scores.jsonl", "scores.jsonl.about.json"]
    about = json.loads(path.with_name("scores.jsonl.about.json").read_text())
    assert (about["run"], about["summary"]) == ("runs/first", {"rows": 7})


def test_what_was_gathered_is_there_for_the_same_command(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with made(path) as output:
        output.append(ROWS[:3])
    assert not path.exists()
    with made(path) as output:
        assert output.done == 3
        output.append(ROWS[3:])
        places = [place for place, _ in output.rows()]
        assert list(output.at([places[6], places[0]])) == [ROWS[6], ROWS[0]]
        output.finish(output.lines(), {})
    assert lines(path) == ROWS


def test_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with made(path) as output:
        output.append(ROWS[:3])
    partial = tmp_path / "f.partial"
    partial.write_bytes(partial.read_bytes()[:-5])
    with made(path) as output:
        assert output.done == 2
        output.append(ROWS[2:3])
        assert list(output.lines()) == ROWS[:3]


def test_a_torn_header_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "f.partial").write_bytes(b'{"irltui": "0.')
    with made(tmp_path / "f") as output:
        output.append(ROWS)
        assert list(output.lines()) == ROWS


def test_rows_of_a_group_that_was_cut_short_are_forgotten(tmp_path: Path) -> None:
    with made(tmp_path / "f") as output:
        output.append(ROWS)
        output.keep(5)
        assert list(output.lines()) == ROWS[:5]
        output.append(ROWS[5:])
        assert list(output.lines()) == ROWS
        output.keep(7)
        assert output.done == 7


def test_a_file_that_is_complete_is_left_as_it_is(tmp_path: Path) -> None:
    path = finished(tmp_path / "f")
    before = path.stat().st_mtime_ns
    with made(path) as output:
        assert output.is_complete
    assert path.stat().st_mtime_ns == before
    assert not (tmp_path / "f.partial").exists()


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (replace(JOB, learned="cccc", run="runs/other"), "with another run or result (runs/first)"),
        (replace(JOB, rows="cccc"), "from other data (demos.jsonl)"),
        (replace(JOB, options={"tokens": True}), "with other options"),
        (replace(JOB, command="triage"), "by `irltui score`"),
    ],
    ids=lambda value: value.command if isinstance(value, Job) else value,
)
@pytest.mark.parametrize("is_whole", [True, False])
def test_a_file_of_another_job_is_refused_and_stays(tmp_path: Path, job: Job, words: str, is_whole: bool) -> None:
    path = tmp_path / "f"
    if is_whole:
        finished(path)
    else:
        with made(path) as output:
            output.append(ROWS)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(RunFolderError) as caught:
        made(path, job)
    assert words in caught.value.message
    assert "--overwrite" in caught.value.hint
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_another_view_of_a_whole_file_is_refused_but_not_of_a_partial_one(tmp_path: Path) -> None:
    finished(tmp_path / "f")
    with pytest.raises(RunFolderError, match="other options"):
        made(tmp_path / "f", view={"rank": True})
    with made(tmp_path / "g") as output:
        output.append(ROWS)
    with made(tmp_path / "g", view={"rank": True}) as output:
        assert output.done == 7


def test_a_file_of_the_users_own_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    with pytest.raises(RunFolderError, match="irltui did not write it"):
        made(tmp_path / "f")
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
    assert (tmp_path / "f").read_text() == "mine"


def test_overwrite_begins_anew(tmp_path: Path) -> None:
    path = finished(tmp_path / "f")
    with made(path, replace(JOB, rows="cccc"), overwrite=True) as output:
        assert output.done == 0
        output.append(ROWS[:1])
        output.finish(output.lines(), {})
    assert lines(path) == ROWS[:1]


def test_two_commands_cannot_make_one_file(tmp_path: Path) -> None:
    with made(tmp_path / "f"), pytest.raises(RunFolderError, match="another command is writing it"):
        made(tmp_path / "f")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunFolderError, match="cannot be written"):
        made(tmp_path / "file" / "f")


def test_damaged_headers_are_told(tmp_path: Path) -> None:
    (tmp_path / "f.partial").write_text("[]\n")
    with pytest.raises(RunFolderError, match="damaged"):
        made(tmp_path / "f")


def test_a_folder_in_the_way_stays_even_when_overwriting(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(RunFolderError, match="cannot be written"):
        made(tmp_path / "f", overwrite=True)
    assert [file.name for file in tmp_path.iterdir()] == ["f"]
