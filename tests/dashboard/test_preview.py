"""The check of a run that is being filled in."""

from __future__ import annotations

import asyncio

from dashboard.conftest import dashboard, running
from dashboard.test_keys import on, press
from rich.text import Text

from irltui.errors import DataError


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
