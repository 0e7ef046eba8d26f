"""What changed between two texts, word by word. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
MOST_WORDS = 3_000  # beyond it comparing takes seconds


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of the newer text that is kept or added, or of the older one that was removed."""

    change: str
    text: str


KEPT, ADDED, REMOVED = "kept", "added", "removed"


def word_diff(old: str, new: str) -> list[Piece]:
    """Pieces in reading order; kept and added ones together are `new`, kept and removed ones `old`."""
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    if len(before) > MOST_WORDS or len(after) > MOST_WORDS:
        return [Piece(KEPT, new)] if old == new else [Piece(REMOVED, old), Piece(ADDED, new)]
    pieces: list[Piece] = []
    for tag, a0, a1, b0, b1 in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if tag == "equal":
            pieces.append(Piece(KEPT, "".join(after[b0:b1])))
            continue
        if a1 > a0:
            pieces.append(Piece(REMOVED, "".join(before[a0:a1])))
        if b1 > b0:
            pieces.append(Piece(ADDED, "".join(after[b0:b1])))
    return pieces
