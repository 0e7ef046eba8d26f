"""Commands to a working engine, and leaving it."""

from __future__ import annotations

import json

import pytest
from dashboard.conftest import dashboard, on, press, running, settle

from irltui.dashboard.screens.dialogs import ChoiceDialog
from irltui.runs.folder import RunFolder

Runs = dict[str, RunFolder]


def sent(run: RunFolder) -> list[tuple[str, str]]:
    """Commands waiting for the engine; they are taken away."""
    found = []
    for path in sorted(run.control.glob("*.json")):
        value = json.loads(path.read_text())
        found.append((value["command"], value["text"]))
        path.unlink()
    return found


@on
async def test_upper_case_keys_send_commands_and_say_so(runs: Runs) -> None:
    app = dashboard("irft-running")
    async with running(app) as pilot:
        assert "pause: sent" in await press(app, pilot, "P")
        await press(app, pilot, "R", "C")
        assert [command for command, _ in sent(runs["running"])] == ["pause", "resume", "checkpoint"]
        await press(app, pilot, "S", "H", "i", "enter")
        await press(app, pilot, "S", "enter")
        await press(app, pilot, "N", "enter", "o", "k", "enter")
        assert sent(runs["running"]) == [("sample", "Hi"), ("sample", ""), ("note", "ok")]
        await press(app, pilot, "X", "n")
        await press(app, pilot, "X", "escape")
        assert sent(runs["running"]) == []
        await press(app, pilot, "X", "y")
        assert sent(runs["running"]) == [("stop", "")]


@on
async def test_no_command_is_sent_where_no_engine_works(runs: Runs) -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        await press(app, pilot, "P", "C", "X", "y")
        assert sent(runs["irft"]) == []


@pytest.mark.parametrize(("keys", "code", "commands"), [
    (["q", "enter"], 0, []),
    (["q", "d"], 0, []),
    (["q", "s"], 130, [("stop", "")]),
    (["q", "c"], None, []),
    (["q", "escape"], None, []),
    (["ctrl+c", "q"], 0, []),
])  # fmt: skip
@on
async def test_leaving_a_working_engine_asks_first(
    runs: Runs, keys: list[str], code: int | None, commands: list[tuple[str, str]]
) -> None:
    app = dashboard("irft-running")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press(keys[0])
        await pilot.pause()
        assert isinstance(app.screen, ChoiceDialog)
        await pilot.press(*keys[1:])
        await pilot.pause()
        assert app.return_value == code
    assert sent(runs["running"]) == commands


@on
async def test_leaving_a_finished_run_just_leaves() -> None:
    app = dashboard("irft-smollm2")
    async with app.run_test() as pilot:
        await settle(pilot)
        await pilot.press("q")
        await pilot.pause()
    assert app.return_value == 0
