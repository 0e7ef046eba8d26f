"""Each screen as a picture, at the two sizes it is designed for; `pytest --snapshot-update` renews them."""

from __future__ import annotations

import pytest
from dashboard.conftest import dashboard, settle
from textual.pilot import Pilot

SMALL, LARGE = (80, 24), (140, 45)
SCREENS = {
    "runs": ("", ()),
    "run": ("irft-smollm2", ()),
    "running": ("irft-running", ()),
    "crashed": ("spin-crashed", ("i",)),
    "samples": ("irft-smollm2", ("3", "down", "left")),
    "tokens": ("irft-smollm2", ("3", "c")),
    "compare": ("", ("space", "down", "space", "4")),
    "compare-next": ("", ("space", "down", "space", "4", "tab")),
    "check": ("irft-smollm2", ("5",)),
    "cursor": ("irft-smollm2", ("x", "x", *["left"] * 6, "plus")),
    "hostile": ("hostile\x1b[31m", ("3",)),
}


def picture(snap_compare, run: str, keys: tuple[str, ...], size: tuple[int, int], theme: str = "irltui-dark") -> bool:
    app = dashboard(run, launch=lambda loaded, name: None)
    app.theme = theme

    async def go(pilot: Pilot[int]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
        await settle(pilot)
        app.cursor_blink = False

    return snap_compare(app, terminal_size=size, run_before=go)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "140x45"])
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_looks_as_it_did(snap_compare, name: str, size: tuple[int, int]) -> None:
    assert picture(snap_compare, *SCREENS[name], size)


@pytest.mark.parametrize(
    "name", ["help", "leave", "form", "large", "tiny", "light", "values", "check-light", "compare-tiny", "answers"]
)
def test_dialogs_and_special_forms_look_as_they_did(snap_compare, name: str) -> None:
    run, keys, size, theme = {
        "help": ("irft-smollm2", ("question_mark",), SMALL, "irltui-dark"),
        "leave": ("irft-running", ("q",), SMALL, "irltui-dark"),
        "form": ("", ("n",), SMALL, "irltui-dark"),
        "large": ("irft-smollm2", ("enter",), SMALL, "irltui-dark"),
        "tiny": ("irft-smollm2", (), (40, 12), "irltui-dark"),
        "answers": ("", ("space", "down", "space", "4", "tab", "tab"), SMALL, "irltui-dark"),
        "compare-tiny": ("", ("space", "down", "space", "4"), (40, 12), "irltui-dark"),
        "values": ("irft-smollm2", ("5", "tab", "a"), SMALL, "irltui-dark"),
        "check-light": ("irft-smollm2", ("5", "down"), LARGE, "irltui-light"),
        "light": ("irft-running", (), SMALL, "irltui-light"),
    }[name]
    assert picture(snap_compare, run, keys, size, theme)
