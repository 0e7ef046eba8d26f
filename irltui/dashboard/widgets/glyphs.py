"""Characters of two by four dots: braille, which every terminal has, and octants, which join to solid lines.

Octants (Unicode 16) are numbered in reading order from U+1CD00 on, without the 26 patterns that older blocks had.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

_READING = (0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80)  # dots of a braille cell in reading order
SWITCH = "IRLTUI_OCTANTS"


def _octants() -> list[str]:
    """The character of every braille pattern, drawn as an octant."""
    quadrants = (0b101, 0b1010, 0b1010000, 0b10100000)
    known = {sum(q for i, q in enumerate(quadrants) if k >> i & 1): c for k, c in enumerate(" ▘▝▀▖▌▞▛▗▚▐▜▄▙▟█")}
    known |= {0x01: "\U0001cea8", 0x02: "\U0001ceab", 0x40: "\U0001cea3", 0x80: "\U0001cea0"}  # a single corner
    known |= {0x03: "\U0001fb82", 0xC0: "▂", 0x3F: "\U0001fb85", 0xFC: "▆", 0x14: "\U0001fbe6", 0x28: "\U0001fbe7"}
    fresh = iter(range(0x1CD00, 0x1CDE6))
    numbered = {bits: known[bits] if bits in known else chr(next(fresh)) for bits in range(256)}
    return [numbered[sum(1 << i for i, dot in enumerate(_READING) if dots & dot)] for dots in range(256)]


BRAILLE: Sequence[str] = [chr(0x2800 + dots) for dots in range(256)]
OCTANTS: Sequence[str] = _octants()


def glyphs_for(environ: Mapping[str, str] = os.environ) -> Sequence[str]:
    """Octants where they were asked for; never inside tmux and screen, which drop them and shift the line."""
    inside = environ.get("TMUX") or environ.get("STY") or environ.get("TERM", "").startswith(("tmux", "screen"))
    return OCTANTS if environ.get(SWITCH) and not inside else BRAILLE
