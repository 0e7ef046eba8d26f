"""The form of a new run: filled in, checked, started."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dashboard.conftest import dashboard, on, press, running
from rich.text import Text

from irltui.dashboard.screens.new_run import NewRunScreen
from irltui.dashboard.screens.run import RunScreen
from irltui.dashboard.screens.runs import RunsScreen
from irltui.errors import DataError


@on
async def test_a_new_run_is_filled_in_checked_and_started() -> None:
    started = []

    def launch(loaded, name: str) -> Path:
        started.append((loaded.config.model.name, loaded.config.loop.batch, name))
        return Path("runs/irft-running")

    app = dashboard(launch=launch)
    async with running(app) as pilot:
        text = await press(app, pilot, "n")
        assert isinstance(app.screen, NewRunScreen)
        assert "required" in text
        await press(app, pilot, "R")
        assert started == []
        await press(app, pilot, "enter", *"org/m", "enter", "down", "enter", *"org/d", "enter")
        await press(app, pilot, "slash", *"loop.batch", "enter", "enter")
        line = app.screen.query_one("#line")
        line.value = ""
        assert "at least 1" in await press(app, pilot, "0")
        await press(app, pilot, "escape", "enter")
        line.value = ""
        assert "ready" in await press(app, pilot, "8", "enter")
        await press(app, pilot, "R")
        assert started == [("org/m", 8, "irft")]
        assert isinstance(app.screen, RunScreen)


@on
async def test_a_study_is_started_from_the_form() -> None:
    started = []

    def launch(study, name: str) -> Path:
        started.append((study.section.seeds, name))
        return Path("runs/irft-running")

    app = dashboard(launch=launch)
    async with running(app) as pilot:
        text = await press(app, pilot, "n", "p")
        assert "preset quickstart" in text
        assert "ready" in text
        await press(app, pilot, "slash", *"study.seeds", "enter", "enter")
        app.screen.query_one("#line").value = ""
        await press(app, pilot, *"[3]", "enter", "R")
        assert started == [([3], "quickstart")]
        assert isinstance(app.screen, RunScreen)


@on
async def test_choices_presets_and_taking_back_in_the_form() -> None:
    app = dashboard(launch=lambda loaded, name: Path())
    async with running(app) as pilot:
        await press(app, pilot, "n")
        await press(app, pilot, "slash", *"reference.kind", "enter")
        assert "fixed" in await press(app, pilot, "space")
        assert "typed" not in await press(app, pilot, "backspace")
        assert "preset quickstart" in await press(app, pilot, "p")
        await press(app, pilot, "escape")
        assert isinstance(app.screen, RunsScreen)


@on
async def test_a_form_is_checked_before_it_is_started_and_leaving_ends_the_looking() -> None:
    looked, ended = [], []

    async def check(study: object, width: int) -> Text:
        looked.append(width)
        if len(looked) == 1:
            return Text("600 rows, [b]none[/b] cut")
        if len(looked) == 2:
            raise DataError("row 3: no prompt", "Give it one.")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return Text()

    app = dashboard(launch=lambda loaded, name: None, check=check)
    async with running(app) as pilot:
        assert "required" in await press(app, pilot, "n", "C")
        assert looked == []
        assert "600 rows, [b]none[/b] cut" in await press(app, pilot, "p", "C")
        text = await press(app, pilot, "escape", "C")
        assert "row 3: no prompt" in text
        assert "Give it one." in text
        assert "esc gives up" in await press(app, pilot, "escape", "C")
        assert "preset quickstart" in await press(app, pilot, "escape")
        assert ended == [True]
