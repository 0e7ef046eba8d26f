"""The form of a new run: filled in, checked, started."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dashboard.conftest import dashboard, on, press, running, text_of

from irltui.dashboard.screens.new_run import NewRunScreen
from irltui.dashboard.screens.run import RunScreen
from irltui.dashboard.screens.runs import RunsScreen
from irltui.errors import DataError
from irltui.views.check import Checked
from irltui.views.spans import S


@on
async def test_a_new_run_is_filled_in_checked_and_started(tmp_path: Path) -> None:
    started = []

    def launch(loaded, name: str) -> Path:
        config = loaded.config
        started.append((config.model.name, config.data.columns.prompt, config.data.columns.completion, name))
        return Path("runs/irft-running")

    rows = "Kundenfrage,Antwort (final),nr\n" + "".join(f"Was ist {i}?,Es ist {i} und mehr.,{i}\n" for i in range(20))
    (tmp_path / "faq.csv").write_text(rows)
    app = dashboard(launch=launch)
    async with running(app, (120, 40)) as pilot:
        text = await press(app, pilot, "n")
        assert isinstance(app.screen, NewRunScreen)
        assert "missing: model, data" in text
        await press(app, pilot, "ctrl+s")
        assert started == []
        text = await press(app, pilot, *"org/m", "tab", *str(tmp_path / "faq.csx"))
        assert "× no such file" in text
        text = await press(app, pilot, "backspace", "v")
        assert "✓ 20 rows, 3 columns" in text
        assert "found in the file: Antwort (final)" in text
        assert "Kundenfrage → prompt" in text
        assert "Es ist 0 und mehr." in text
        text = await press(app, pilot, "tab", *"nr2")
        assert "× no such column; there are Kundenfrage" in text
        await press(app, pilot, *["backspace"] * 3)
        await press(app, pilot, "tab", "tab", *"abc")
        assert "correct learning rate" in text_of(app)
        await press(app, pilot, *["backspace"] * 3)
        await press(app, pilot, "ctrl+s")
        assert started == [("org/m", "Kundenfrage", "Antwort (final)", "irft")]
        assert isinstance(app.screen, RunScreen)


@on
async def test_what_was_typed_stays_after_leaving_and_after_a_failed_start() -> None:
    def launch(loaded, name: str) -> Path:
        raise DataError("no room on the disk", "")

    app = dashboard(launch=launch)
    async with running(app, (120, 40)) as pilot:
        await press(app, pilot, "n", *"org/m", "tab", *"org/d")
        await press(app, pilot, "escape")
        assert isinstance(app.screen, RunsScreen)
        assert "org/d" in await press(app, pilot, "n")
        assert "no room on the disk" in await press(app, pilot, "ctrl+s")
        assert "org/m" in text_of(app)


@on
async def test_every_option_is_found_by_a_search_chosen_changed_and_taken_back() -> None:
    app = dashboard(launch=lambda loaded, name: Path())
    async with running(app, (120, 40)) as pilot:
        await press(app, pilot, "n")
        await press(app, pilot, "ctrl+f", *"loop.batch", "enter", "down", "enter")
        app.screen.query_one("#edit").value = ""
        await press(app, pilot, "0", "enter")
        assert "at least 1" in await press(app, pilot, "up", "down")
        await press(app, pilot, "backspace")
        assert "at least 1" not in text_of(app)
        await press(app, pilot, "ctrl+f", "end", *["backspace"] * 10, *"reference.kind", "enter", "down")
        assert app.draft.typed == {}
        await press(app, pilot, "space")
        assert app.draft.typed == {"reference.kind": "fixed"}
        await press(app, pilot, "backspace")
        assert app.draft.typed == {}


@on
async def test_a_study_is_started_from_the_form() -> None:
    started = []

    def launch(study, name: str) -> Path:
        started.append((study.section.seeds, name))
        return Path("runs/irft-running")

    app = dashboard(launch=launch)
    async with running(app, (120, 40)) as pilot:
        await press(app, pilot, "n", "shift+tab", *["right"] * 4)
        assert app.draft.preset == "quickstart"
        await press(app, pilot, "ctrl+f", *"study.seeds", "enter", "down", "enter")
        app.screen.query_one("#edit").value = ""
        await press(app, pilot, *"[3]", "enter", "ctrl+s")
        assert started == [([3], "quickstart")]
        assert isinstance(app.screen, RunScreen)


@on
async def test_a_failed_run_is_edited_and_started_again() -> None:
    app = dashboard("failed", launch=lambda loaded, name: None)
    async with running(app, (120, 40)) as pilot:
        assert "e edit and start again" in text_of(app)
        text = await press(app, pilot, "e")
        assert isinstance(app.screen, NewRunScreen)
        assert "HuggingFaceTB/SmolLM2-135M-Instruct" in text
        assert " again " in text


@on
async def test_a_form_is_checked_before_it_is_started_and_leaving_ends_the_looking() -> None:
    looked, ended = [], []

    async def check(study: object, width: int) -> Checked:
        looked.append(width)
        if len(looked) == 1:
            return Checked([[S("600 rows, [b]none[/b] cut")]], (("time", "about 3m00s"), ("suggested", "contrast")))
        if len(looked) == 2:
            raise DataError("row 3: no prompt", "Give it one.")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)
        return Checked([], ())

    app = dashboard(launch=lambda loaded, name: None, check=check)
    async with running(app) as pilot:
        await press(app, pilot, "n", "ctrl+l")
        assert looked == []
        await press(app, pilot, "shift+tab", *["right"] * 4)
        assert "600 rows, [b]none[/b] cut" in await press(app, pilot, "ctrl+l")
        text = await press(app, pilot, "escape", "ctrl+l")
        assert "row 3: no prompt" in text
        assert "Give it one." in text
        assert "esc gives up" in await press(app, pilot, "escape", "ctrl+l")
        await press(app, pilot, "escape")
        assert isinstance(app.screen, NewRunScreen)
        assert ended == [True]
