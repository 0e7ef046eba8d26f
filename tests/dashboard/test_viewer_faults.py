"""What may happen to who watches: a screen of one cell, a run that is deleted under it, every word of it hostile."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest
from dashboard.conftest import NOW, dashboard, on, press, running, settle, text_of
from dashboard.test_terminal import CODE
from dashboard.written_events import Script
from dashboard.written_run import write_run

from irltui.config.layers import value_layer
from irltui.config.load import load
from irltui.dashboard.app import Dashboard
from support.hostile import write_hostile_run
from support.raw_bytes import assert_harmless
from support.terminal import Terminal


@on
async def test_a_screen_of_one_cell_stops_nothing_and_shows_all_again_when_it_grows() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        await pilot.resize_terminal(1, 1)
        for key in ("1", "2", "3", "4", "5"):
            await press(app, pilot, key)
        for size in ((2, 1), (1, 40), (200, 1)):
            await pilot.resize_terminal(*size)
            await settle(pilot)
        await pilot.resize_terminal(80, 24)
        await press(app, pilot, "2")
        assert "Reward gap" in text_of(app)


@on
async def test_a_run_that_is_deleted_while_it_is_watched_stays_on_the_screen_and_leaves_the_list(tmp_path) -> None:
    run = write_run(tmp_path / "runs" / "first", Script(outer_iterations=2))
    write_run(tmp_path / "runs" / "second", Script(outer_iterations=2, seed=1))
    app = Dashboard(tmp_path / "runs", run.path, clock=lambda: NOW)
    async with running(app) as pilot:
        shutil.rmtree(run.path)
        for key in ("2", "3", "4", "5", "2"):
            await press(app, pilot, key)
        assert "Reward gap" in text_of(app)  # what was read stays
        await press(app, pilot, "1")
        await app.store.look()
        await settle(pilot)
        text = text_of(app)
        assert "second" in text
        assert "first" not in text
    shutil.rmtree(tmp_path / "runs")
    await app.store.look()
    assert app.store.lines == []


@pytest.fixture
def evil(tmp_path: Path) -> Path:
    given = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d")]
    values = load("irft", flags=given).config.model_dump(mode="json")
    return write_hostile_run(tmp_path / "evil\x1b]0;x\x07\u202e[bold]", values).path


def test_no_word_of_a_run_reaches_the_terminal_as_more_than_a_word(evil: Path) -> None:
    terminal = Terminal("-c", CODE, str(evil))
    terminal.read_until(lambda seen: b"failed" in seen)
    for keys, shown in ((b"i", b"owned"), (b"i", b""), (b"3", b"changes since"), (b"c", b""), (b"5", b"9 rows")):
        terminal.press(keys)
        terminal.read_until(lambda seen, shown=shown: shown in seen)
    for keys in (b"\t", b"a", b"4", b"2", b"m", b"1", b"/", b"x\x7f\r"):
        terminal.press(keys)
    terminal.end(signal.SIGTERM)
    assert "␛" in assert_harmless(terminal.seen)
