"""The two themes, the inks that carry meaning, and the styles made of them.

Colour is data, chrome is grey, and the one accent only says where you are. Every ink has a partner that is not
colour: a name at the end of a line, a mark, a sign or a word.
"""

from __future__ import annotations

import contextlib
import os
from functools import lru_cache
from pathlib import Path

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

INKS = {  # on dark and on light ground; after Okabe and Ito, at least 4.8 to 1 for every ink of text
    "demonstration": ("#5BB8F0", "#0068A8"),
    "generation": ("#F0A030", "#B45309"),
    "gap": ("#F4F6FA", "#15181D"),
    "held-out": ("#E08CC0", "#A0317A"),
    "good": ("#3CC79A", "#00734F"),
    "warn": ("#E8CF4A", "#7D6400"),
    "bad": ("#FF7A50", "#B83200"),
    "muted": ("#8A93A2", "#5B6470"),  # labels and units
    "faint": ("#343B47", "#CBD0D8"),  # grid, borders of iterations, the empty part of a bar
    "band": ("#16251F", "#E3F3EA"),  # behind the healthy range
}
DARK, LIGHT = "irltui-dark", "irltui-light"


def _theme(name: str, side: int, accent: str, foreground: str, grounds: tuple[str, str, str]) -> Theme:
    background, surface, panel = grounds
    inks = {ink: pair[side] for ink, pair in INKS.items()}
    return Theme(
        name=name,
        primary=accent,
        secondary=inks["muted"],
        success=inks["good"],
        warning=inks["warn"],
        error=inks["bad"],
        dark=not side,
        variables={
            **inks,
            "footer-key-foreground": inks["gap"],
            "input-cursor-background": accent,
            "block-cursor-text-style": "none",
        },
        accent=accent,
        foreground=foreground,
        background=background,
        surface=surface,
        panel=panel,
    )


THEMES = (
    _theme(DARK, 0, "#B3A4FF", "#D5DAE3", ("#0F1115", "#151920", "#1D222B")),
    _theme(LIGHT, 1, "#5B46C9", "#23272E", ("#FBFBFA", "#F3F3F1", "#E7E8E8")),
)


class Palette:
    """Names of inks to styles, for one theme; an ink that the theme lacks is taken from ours."""

    def __init__(self, theme: Theme) -> None:
        side = 0 if theme.dark else 1
        ours = {ink: pair[side] for ink, pair in INKS.items()}
        grounds = ("accent", "foreground", "background", "surface", "panel")
        own = {name: getattr(theme, name) or getattr(THEMES[side], name) for name in grounds}
        self._colours = {**ours, **{k: v for k, v in theme.variables.items() if k in ours}, **own}
        self.style = lru_cache(maxsize=512)(self._style)

    def _style(self, ink: str = "foreground", ground: str = "background", bold: bool = False, line: str = "") -> Style:
        """A style of two inks; `ink~40` leaves 40 % of it over its ground. `line`: u underlined, s struck out."""
        behind = self._mixed(ground, Color.parse(self._colours["background"]))
        front = self._mixed(ink, behind)
        return Style(
            color=front.rich_color,
            bgcolor=behind.rich_color,
            bold=bold or None,
            underline="u" in line or None,
            strike="s" in line or None,
        )

    def _mixed(self, ink: str, behind: Color) -> Color:
        name, _, share = ink.partition("~")
        colour = Color.parse(self._colours[name])
        return behind.blend(colour, int(share) / 100) if share else colour


def kept_theme() -> str:
    """The theme that was chosen last, "" if none ever was."""
    try:
        name = _file().read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""
    return name if name in {DARK, LIGHT} else ""


def keep_theme(name: str) -> None:
    """Remember a theme for the next time, if that can be written."""
    with contextlib.suppress(OSError):
        _file().parent.mkdir(parents=True, exist_ok=True)
        _file().write_text(name + "\n", encoding="utf-8")


def _file() -> Path:
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "irltui" / "theme"
