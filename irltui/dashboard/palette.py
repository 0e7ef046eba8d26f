"""The Okabe-Ito colours of runs beside each other, which most colour-blind people can tell apart."""

from __future__ import annotations

from dataclasses import dataclass

from textual.color import Color, ColorParseError

from irltui.views.curve_styles import BLUE, CURVES_ON_DARK, CURVES_ON_LIGHT, ORANGE, SKY, VERMILLION


@dataclass(frozen=True)
class Ink:
    """The colours curves are drawn with on one background."""

    background: str
    dark: bool

    def curve(self, index: int) -> str:
        """The colour of the curve of that number."""
        colours = CURVES_ON_DARK if self.dark else CURVES_ON_LIGHT
        return colours[index % len(colours)]

    def behind(self, index: int) -> str:
        """The same, faint: what a smoothed curve was made from."""
        return _blend(self.curve(index), self.background, 0.68)

    @property
    def line(self) -> str:
        """Of reference lines."""
        return "#9A9A9A" if self.dark else "#7A7A7A"

    @property
    def mark(self) -> str:
        """Of values that are not finite."""
        return "#FF7043" if self.dark else "#B83C00"

    def reward(self, value: float, scale: float) -> str:
        """Background of a token: orange below zero, blue above, none at zero."""
        share = min(1.0, abs(value) / scale) if scale > 0 else 0.0
        colour = (BLUE if self.dark else SKY) if value >= 0 else (VERMILLION if self.dark else ORANGE)
        return _blend(colour, self.background, 1 - 0.75 * share)


def _blend(colour: str, other: str, share: float) -> str:
    try:
        return Color.parse(colour).blend(Color.parse(other), share).hex6
    except ColorParseError:
        return colour
