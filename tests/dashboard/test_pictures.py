"""Each screen as a picture, at the four sizes it is designed for; `pytest --snapshot-update` renews them."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard.conftest import NOW, dashboard, settle
from textual.pilot import Pilot
from textual.widgets import Input

from irltui.dashboard.app import Dashboard
from irltui.dashboard.services import Services

SIZES = {"40x12": (40, 12), "80x24": (80, 24), "120x40": (120, 40), "200x55": (200, 55)}
DARK, LIGHT = "irltui-dark", "irltui-light"
SCREENS = {
    "runs": ("", ("down", "down", "down")),
    "run": ("irft-running", ()),
    "finished": ("irft-smollm2", ()),
    "samples": ("irft-smollm2", ("3", "down", "left")),
    "compare": ("", ("down", "down", "space", "down", "space", "4")),
    "new": ("", ("n", *"org/m", "tab", *"org/d", "tab", "tab", "tab", *"1e-4")),
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
    # Back to the beginning first: how far it had played is a matter of the machine's speed.
    "replay": ("irft-smollm2", ("r", "space", *["less_than_sign"] * 20, *["greater_than_sign"] * 10), "80x24", DARK),
    "hostile": ("hostile\x1b[31m", ("3",), "80x24", DARK),
    "compare-answers": ("", ("down", "down", "space", "down", "space", "4", "tab"), "80x24", DARK),
    "compare-light": ("", ("down", "down", "space", "down", "space", "4"), "120x40", LIGHT),
    "check-light": ("irft-smollm2", ("5", "down"), "120x40", LIGHT),
    "values": ("irft-smollm2", ("5", "tab", "a"), "80x24", DARK),
    "help": ("irft-smollm2", ("question_mark",), "80x24", DARK),
    "leave": ("irft-running", ("q",), "80x24", DARK),
    "options": ("", ("n", "ctrl+f", *"beta", "enter", "down"), "120x40", DARK),
}


async def compared(pilot: Pilot[int]) -> None:
    """Wait for previews and comparisons, too: the cursor rests, threads come back."""
    await settle(pilot)
    for _ in range(200):
        await pilot.pause(0.02)
        if not [worker for worker in pilot.app.workers if worker.name == "compare" and not worker.is_finished]:
            break
    await pilot.pause(0.3)
    await settle(pilot)


def picture(snap_compare, run: str, keys: tuple[str, ...], size: tuple[int, int], theme: str = DARK) -> bool:
    app = dashboard(run, launch=lambda loaded, name: None)
    app.theme = theme

    async def go(pilot: Pilot[int]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
        await compared(pilot)
        for field in app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause()

    return snap_compare(app, terminal_size=size, run_before=go)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_looks_as_it_did(snap_compare, name: str, size: str) -> None:
    assert picture(snap_compare, *SCREENS[name], SIZES[size])


@pytest.mark.parametrize("name", FORMS)
def test_dialogs_and_special_forms_look_as_they_did(snap_compare, name: str) -> None:
    run, keys, size, theme = FORMS[name]
    assert picture(snap_compare, run, keys, SIZES[size], theme)


@pytest.mark.parametrize("name", ["run", "samples", "compare"])
def test_without_colours_it_looks_as_it_did(snap_compare, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert picture(snap_compare, *SCREENS[name], SIZES["120x40"])


def test_an_empty_folder_looks_as_it_did(snap_compare, tmp_path: Path) -> None:
    app = Dashboard(tmp_path, services=Services(launch=lambda loaded, name: None), clock=lambda: NOW)
    assert snap_compare(app, terminal_size=SIZES["120x40"], run_before=settle)
