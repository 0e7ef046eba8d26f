"""Text in spans, each with its ink: rows that the dashboard shows in the colours of its theme, and the command line
in those of the terminal. Knows no widget.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.style import Style
from rich.text import Text

from irltui.text import safe


class S(NamedTuple):
    """A span: text, its ink, `b` bold, `u` underlined, `s` struck out, and its ground if it has one of its own."""

    text: str
    ink: str = "foreground"
    look: str = ""
    ground: str = ""


Row = list[S]
_WORD = re.compile(r"\n|[^\S\n]+|\[[^\[\]\s]+ [^\[\]\s]+\]|\d+ %|[^\s]+")
"""What stays in one row: words, [low, high], 95 %."""
_LONGEST = 8_000  # characters of an answer
_TERMINAL = {
    "good": "green", "warn": "yellow", "bad": "red", "muted": "bright_black", "faint": "bright_black",
    "demonstration": "bright_blue", "generation": "yellow", "held-out": "magenta", "accent": "cyan",
}  # fmt: skip


def clean(text: str) -> str:
    """Text that a terminal only draws: the last gate, whatever its maker forgot."""
    return text if text.isprintable() else safe(text)


def length(row: Iterable[S]) -> int:
    return sum(cell_len(span.text) for span in row)


def spread(left: Row, right: Row, width: int) -> Row:
    """Two groups, one at each end; the right one goes where there is no room for both."""
    gap = width - length(left) - length(right)
    return [*left, S(" " * gap), *right] if gap >= 1 else left


def fit(text: str, width: int) -> str:
    """Text in exactly so many columns; what is shortened says so."""
    text = safe(text, limit=4 * max(width, 1))
    if cell_len(text) <= width:
        return set_cell_size(text, width)
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def shortened(row: Row, width: int) -> Row:
    """The row in at most so many columns; what is shortened says so."""
    if length(row) <= width:
        return row
    kept: Row = []
    for span in row:
        room = width - length(kept)
        if cell_len(span.text) >= room:
            return [*kept, span._replace(text=fit(span.text + "…", room))]
        kept.append(span)
    return kept


def tail(text: str, width: int) -> str:
    """Text in at most so many columns; of a longer one the end, which tells more of a path."""
    text = safe(text)
    return text if len(text) <= width else f"…{text[1 - width :]}" if width > 1 else "…"


def flow(spans: Iterable[S], width: int, indent: int = 0) -> list[Row]:
    """Words wrapped into rows, each behind `indent` spaces; a word longer than the row is broken."""
    rows: list[Row] = [[S(" " * indent)] if indent else []]
    room, used = max(width - indent, 8), 0
    for span in spans:
        for word in _WORD.findall(span.text):
            size = cell_len(word)
            if word == "\n" or (used + size > room and not word.isspace()):
                _trim(rows[-1])
                rows.append([S(" " * indent)] if indent else [])
                used = 0
            if word == "\n" or (word.isspace() and (not used or used + size > room)):
                continue
            for part in _parts(word, room):
                if used and used + cell_len(part) > room:
                    rows.append([S(" " * indent)] if indent else [])
                    used = 0
                rows[-1].append(span._replace(text=part))
                used += cell_len(part)
    return rows


def quoted(span: S, width: int, ink: str = "muted") -> list[Row]:
    """A text with a bar at its left."""
    return [[S("▏ ", ink), *row] for row in flow([span], width - 2)]


def plain(text: str) -> str:
    """A prompt or an answer as it may be shown, in lines of its own."""
    return safe(text, lines=True, limit=_LONGEST).expandtabs(4)


def wrapped(row: Row, width: int) -> list[Row]:
    """The row as it is if it fits, else in several, each as far in as the first."""
    text = "".join(span.text for span in row)
    return [row] if cell_len(text) <= width else flow(row, width, len(text) - len(text.lstrip(" ")))


def beside(columns: Sequence[Sequence[Row]], width: int, between: int = 2) -> list[Row]:
    """Blocks of rows next to each other, each of at most `width` columns."""
    rows: list[Row] = []
    for cells in zip_longest(*columns, fillvalue=[]):
        row: Row = []
        for cell in cells:
            row += [*cell, S(" " * max(width + between - length(cell), 0))]
        rows.append(row)
    return rows


def _trim(row: Row) -> None:
    """Drop the spaces at the end of a row: nobody sees them but where they are underlined."""
    while len(row) > 1 and row[-1].text.isspace():
        row.pop()


def _parts(word: str, room: int) -> Sequence[str]:
    if cell_len(word) <= room:
        return [word]
    size = max(1, room // (2 if cell_len(word) > len(word) else 1))
    return [word[i : i + size] for i in range(0, len(word), size)]


def as_text(row: Iterable[S]) -> Text:
    """The row in the 16 colours of a terminal."""
    text = Text()
    for span in row:
        ground = _TERMINAL.get(span.ground.partition("~")[0])
        style = Style(
            color="black" if ground else _TERMINAL.get(span.ink.partition("~")[0]),
            bgcolor=ground,
            bold="b" in span.look or None,
            underline="u" in span.look or None,
            strike="s" in span.look or None,
        )
        text.append(clean(span.text), style)
    return text
