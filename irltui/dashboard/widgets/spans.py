"""Text in spans, each with its ink: what all lines of the dashboard are made of. Knows no widget."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rich.cells import cell_len, set_cell_size

from irltui.text import safe


class S(NamedTuple):
    """A span: text, its ink, `b` bold, `u` underlined, `s` struck out, and its ground if it has one of its own."""

    text: str
    ink: str = "foreground"
    look: str = ""
    ground: str = ""


Row = list[S]


def clean(text: str) -> str:
    """Text that a terminal only draws: the last gate, whatever its maker forgot."""
    return text if text.isprintable() else safe(text)


def length(row: Iterable[S]) -> int:
    """Columns that a row takes."""
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


def tail(text: str, width: int) -> str:
    """Text in at most so many columns; of a longer one the end, which tells more of a path."""
    text = safe(text)
    return text if len(text) <= width else f"…{text[1 - width :]}" if width > 1 else "…"


def flow(spans: Iterable[S], width: int, indent: int = 0) -> list[Row]:
    """Words wrapped into rows, each behind `indent` spaces; a word longer than the row is broken."""
    rows: list[Row] = [[S(" " * indent)] if indent else []]
    room, used = max(width - indent, 8), 0
    for span in spans:
        for word in re.findall(r"\n|[^\S\n]+|[^\s]+", span.text):
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


def _trim(row: Row) -> None:
    """Drop the spaces at the end of a row: nobody sees them but where they are underlined."""
    while len(row) > 1 and row[-1].text.isspace():
        row.pop()


def _parts(word: str, room: int) -> Sequence[str]:
    if cell_len(word) <= room:
        return [word]
    size = max(1, room // (2 if cell_len(word) > len(word) else 1))
    return [word[i : i + size] for i in range(0, len(word), size)]
