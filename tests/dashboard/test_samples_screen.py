"""Samples: prompts, outer iterations, changes, token rewards."""

from __future__ import annotations

import re

from dashboard.conftest import dashboard, on, press, running

from irltui.dashboard.screens.run import RunScreen
from irltui.dashboard.screens.samples import SamplesScreen


@on
async def test_samples_move_by_prompt_and_iteration() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 45)) as pilot:
        text = await press(app, pilot, "3")
        screen = app.screen
        assert isinstance(screen, SamplesScreen)
        assert "● after 4" in text
        assert "Because air scatters short" in text
        assert "▏ Name three primary colours." in await press(app, pilot, "down")
        text = await press(app, pilot, "up", *["left"] * 4)
        assert "● start" in text
        assert "I am a language model" in text
        assert "● after 1" in await press(app, pilot, "right")
        assert "changes against the demonstration" in await press(app, pilot, "d")
        assert "takes away" in await press(app, pilot, "c")
        assert re.search(r"light [+−]\d\.\d\d\d  2 of 14", await press(app, pilot, "l"))
        assert re.search(r"Because [+−]?\d\.\d\d\d  1 of 14", await press(app, pilot, "h"))
        await press(app, pilot, "slash", *"haiku", "enter")
        assert len(screen.query_one("#prompts").rows) == 1
        await press(app, pilot, "slash", "escape")
        assert len(screen.query_one("#prompts").rows) == 4
        await press(app, pilot, "escape")
        assert isinstance(app.screen, RunScreen)


@on
async def test_a_long_history_is_scrolled_by_keys() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        await press(app, pilot, "3")
        history = app.screen.query_one("#history")
        end = history.scroll_y
        assert end > 0
        await press(app, pilot, "pageup")
        assert history.scroll_y < end
        await press(app, pilot, "pagedown")
        assert history.scroll_y == end
