"""Screens by key and click, help, palette."""

from __future__ import annotations

from dashboard.conftest import dashboard, on, press, running, settle, text_of

from irltui.dashboard.keymap import KEYS
from irltui.dashboard.screens.page import HelpScreen
from irltui.dashboard.screens.samples import SamplesScreen


@on
async def test_digits_show_the_screens() -> None:
    app = dashboard("irft-smollm2")
    async with running(app) as pilot:
        for key, name in (
            ("1", "RunsScreen"),
            ("2", "RunScreen"),
            ("3", "SamplesScreen"),
            ("4", "CompareScreen"),
            ("5", "CheckScreen"),
        ):
            await press(app, pilot, key)
            assert type(app.screen).__name__ == name


@on
async def test_help_lists_every_key_and_themes_change() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (140, 120)) as pilot:
        text = await press(app, pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        assert [key.help for key in KEYS if key.help not in text] == []
        await press(app, pilot, "escape", "t")
        assert app.theme == "irltui-light"


@on
async def test_the_command_palette_offers_what_the_keys_do() -> None:
    app = dashboard("irft-running")
    async with running(app):
        titles = {command.title for command in app.get_system_commands(app.screen)}
        here = {key.help for key in KEYS if key.scope in {"Run", "Charts", "Everywhere", "The run itself", "Replay"}}
        assert all(any(title.startswith(help_) for title in titles) for help_ in here)


@on
async def test_a_click_on_a_tab_or_on_a_key_of_the_footer_does_what_the_key_does() -> None:
    app = dashboard("irft-smollm2")
    async with running(app, (120, 40)) as pilot:
        tabs = text_of(app).splitlines()[0]
        await pilot.click("#tabs", offset=(tabs.index("Samples"), 0))
        await settle(pilot)
        assert isinstance(app.screen, SamplesScreen)
        keys = text_of(app).splitlines()[-1]
        await pilot.click("#keys", offset=(keys.index("token rewards"), 0))
        await settle(pilot)
        assert "takes away" in text_of(app)
