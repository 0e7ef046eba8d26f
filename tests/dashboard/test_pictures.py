"""Each screen as a picture, at the four sizes it is designed for; `pytest --snapshot-update` renews them."""

from __future__ import annotations

import pytest
from dashboard.conftest import dashboard, settle
from textual.pilot import Pilot

SIZES = {"40x12": (40, 12), "80x24": (80, 24), "120x40": (120, 40), "200x55": (200, 55)}
DARK, LIGHT = "irltui-dark", "irltui-light"
SCREENS = {
    "runs": ("", ()),
    "run": ("irft-running", ()),
    "finished": ("irft-smollm2", ()),
    "samples": ("irft-smollm2", ("3", "down", "left")),
    "compare": ("", ("space", "down", "space", "4")),
    "check": ("irft-smollm2", ("5",)),
}
FORMS = {
    "reading": ("irft-running", ("left", "left", "left"), "120x40", DARK),
    "enlarged": ("irft-smollm2", ("tab", "tab", "tab", "enter"), "120x40", DARK),
    "run-light": ("irft-running", (), "120x40", LIGHT),
    "zoomed": ("irft-smollm2", ("x", "x", *["left"] * 6, "plus"), "80x24", DARK),
    "messages": ("spin-crashed", ("i",), "80x24", DARK),
    "console": ("spin-crashed", ("i", "i"), "80x24", DARK),
    "failed": ("failed", (), "120x40", DARK),
    "tokens": ("irft-smollm2", ("3", "c", "l", "l"), "120x40", DARK),
    "replay": ("irft-smollm2", ("r", "space", *["greater_than_sign"] * 10), "80x24", DARK),
    "hostile": ("hostile\x1b[31m", ("3",), "80x24", DARK),
    "compare-answers": ("", ("space", "down", "space", "4", "tab", "tab"), "80x24", DARK),
    "check-light": ("irft-smollm2", ("5", "down"), "120x40", LIGHT),
    "values": ("irft-smollm2", ("5", "tab", "a"), "80x24", DARK),
    "help": ("irft-smollm2", ("question_mark",), "80x24", DARK),
    "leave": ("irft-running", ("q",), "80x24", DARK),
    "form": ("", ("n",), "80x24", DARK),
}


def picture(snap_compare, run: str, keys: tuple[str, ...], size: tuple[int, int], theme: str = DARK) -> bool:
    app = dashboard(run, launch=lambda loaded, name: None)
    app.theme = theme

    async def go(pilot: Pilot[int]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
        await settle(pilot)
        app.cursor_blink = False

    return snap_compare(app, terminal_size=size, run_before=go)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_looks_as_it_did(snap_compare, name: str, size: str) -> None:
    assert picture(snap_compare, *SCREENS[name], SIZES[size])


@pytest.mark.parametrize("name", FORMS)
def test_dialogs_and_special_forms_look_as_they_did(snap_compare, name: str) -> None:
    run, keys, size, theme = FORMS[name]
    assert picture(snap_compare, run, keys, SIZES[size], theme)


@pytest.mark.parametrize("name", ["run", "samples"])
def test_without_colours_it_looks_as_it_did(snap_compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert picture(snap_compare, *SCREENS[name], SIZES["120x40"])
