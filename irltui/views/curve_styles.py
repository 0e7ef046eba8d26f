"""How curves are told apart, on terminals and pages: Okabe-Ito colours, for most colour-blind eyes, dashes, marks."""

from __future__ import annotations

SKY, ORANGE, GREEN, VERMILLION, PURPLE, BLUE, YELLOW = (
    "#56B4E9", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#0072B2", "#F0E442",
)  # fmt: skip
CURVES_ON_DARK = (SKY, ORANGE, "#2DBE91", PURPLE, YELLOW, "#FF7043", "#A9B8C9")
CURVES_ON_LIGHT = (BLUE, "#C04A00", GREEN, "#A8437C", "#8A7A00", "#7A3B00", "#555F69")
DASHES = ((), (6, 3), (2, 2), (9, 3, 2, 3), (4, 5), (1, 3))
"""Lengths drawn and left out in turn: curves stay apart without colour."""
LINES = ("━━", "╺╸", "┅┅", "━·", "╍ ", "··")
"""How each dash pattern looks in a legend."""
