"""The theme is kept, and else taken from the terminal where it answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.dashboard.terminal import has_light_ground, light_by_answer
from irltui.dashboard.theme import DARK, INKS, LIGHT, keep_theme, kept_theme


@pytest.mark.parametrize(
    ("answer", "light"),
    [
        (b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\\x1b[?62;c", True),
        (b"\x1b]11;rgb:1e/1e/2e\x07", False),
        (b"\x1b[?1;2c", None),
        (b"", None),
    ],
)
def test_the_answer_to_the_question_for_the_background_is_understood(answer: bytes, light: bool | None) -> None:
    assert light_by_answer(answer) is light


@pytest.mark.parametrize(("told", "light"), [("0;15", True), ("15;0", False), ("0;default;7", True)])
def test_colorfgbg_is_believed(told: str, light: bool) -> None:
    assert has_light_ground({"COLORFGBG": told}) is light


def test_the_chosen_theme_is_there_the_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert kept_theme() == ""
    keep_theme(LIGHT)
    assert kept_theme() == LIGHT
    keep_theme(DARK)
    assert kept_theme() == DARK


def test_every_ink_has_a_dark_and_a_light_side() -> None:
    assert all(len(set(pair)) == 2 for pair in INKS.values())
