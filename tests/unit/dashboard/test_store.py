"""The store reads whatever lies in a folder, and never fails on it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from dashboard.written_events import Script
from dashboard.written_run import HOSTILE, write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irltui.dashboard.store import Store, console_tail, find_runs
from irltui.runs.control import Command
from irltui.runs.folder import RunFolder
from irltui.runs.status import State

SHORT = Script(outer_iterations=1, inner_steps=3)


def opened(store: Store, run: RunFolder):
    """The run, read to its end."""
    found = store.open_run(run.path)

    async def read() -> None:
        while not found.loaded:
            await found.look()

    asyncio.run(read())
    return found


def test_runs_are_found_in_studies_and_nowhere_else(tmp_path: Path) -> None:
    write_run(tmp_path / "one", SHORT)
    write_run(tmp_path / "study" / "seed-0" / "irft", SHORT)
    (tmp_path / "empty").mkdir()
    store = Store(tmp_path)
    asyncio.run(store.look())
    assert sorted(line.name for line in store.lines) == ["one", "study/seed-0/irft"]
    assert list(find_runs(tmp_path / "nowhere")) == []


def test_a_torn_last_line_waits_and_damaged_lines_are_counted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHORT)
    with run.events.open("ab") as file:
        file.write(b"garbage\n\xff\xfe\n[1]\n" + b'{"seq":999,"time":1.0,"kind":"log","te')
    found = opened(Store(tmp_path), run)
    assert found.history.damaged == 3
    assert found.history.step == 3
    with run.events.open("ab") as file:
        file.write(b'xt":"whole now","level":"info"}\n')
    asyncio.run(found.look())
    assert found.history.log[-1].text == "whole now"


def test_a_run_without_a_word_of_its_engine_is_opened(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHORT)
    for path in (run.events, run.status):
        path.unlink()
    found = opened(Store(tmp_path), run)
    assert found.history.step == 0
    assert found.state in set(State)


def test_a_damaged_run_json_is_a_problem_and_no_error(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHORT)
    run.manifest.write_text("{")
    store = Store(tmp_path)
    asyncio.run(store.look())
    assert store.lines[0].algorithm == "?"
    assert "damaged" in opened(store, run).problem


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.dictionaries(
        st.sampled_from(["state", "step", "total_steps", "time", "host", "values", "outer_iteration", "phase"]),
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2),
    )
)
def test_a_status_of_any_content_can_be_listed(tmp_path: Path, content: dict[str, object]) -> None:
    path = tmp_path / "run"
    run = RunFolder(path) if path.exists() else write_run(path, SHORT)
    run.status.write_text(json.dumps(content))
    store = Store(tmp_path)
    asyncio.run(store.look())
    assert len(store.lines) == 1


def test_the_tail_of_a_console_is_short_whatever_was_printed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHORT)
    run.console.write_bytes(b"x" * 100_000 + b"\n" + b"line\n" * 50 + b"\xff\n")
    assert len(console_tail(run)) == 12


def test_a_command_is_pending_until_it_is_answered(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHORT)
    found = opened(Store(tmp_path), run)
    assert found.send(Command.NOTE, HOSTILE.encode("utf-8", "replace").decode()) == ""
    (id_,) = found.pending
    with run.events.open("a") as file:
        answer = {"seq": 999, "time": 1.0, "kind": "control", "id": id_, "command": "note", "state": "applied"}
        file.write(json.dumps(answer) + "\n")
    asyncio.run(found.look())
    assert found.pending == {}


def test_a_command_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", SHORT)
    found = opened(Store(tmp_path), run)
    for path in run.control.iterdir():
        path.unlink()
    run.control.rmdir()
    assert "cannot be written" in found.send(Command.PAUSE)


@pytest.mark.parametrize("name", ["a", "b/c"])
def test_a_run_is_called_by_its_path_below_the_folder(tmp_path: Path, name: str) -> None:
    assert Store(tmp_path).name_of(tmp_path / name) == name
