"""What changed between two texts, word by word. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from irltui.views.spans import S

_WORDS = re.compile(r"\s*(?:\w+|[^\w\s])|\s+")
MOST_WORDS = 3_000  # beyond it comparing takes seconds
REWRITTEN = 0.3  # texts that are less alike have nothing in common but words that happen to stay


@dataclass(frozen=True, slots=True)
class Piece:
    """Text that was kept, added or removed."""

    change: str
    text: str


KEPT, ADDED, REMOVED = "kept", "added", "removed"


def word_diff(old: str, new: str) -> list[Piece]:
    """Pieces in reading order, each word with the space before it; kept and added ones together are `new`.

    Words are compared without their spaces. One added piece alone is a text that was rewritten as a whole.
    """
    before, after = _WORDS.findall(old), _WORDS.findall(new)
    if old == new:
        return [Piece(KEPT, new)]
    if len(before) > MOST_WORDS or len(after) > MOST_WORDS:
        return [Piece(ADDED, new)]
    matcher = SequenceMatcher(None, [w.strip() for w in before], [w.strip() for w in after], autojunk=False)
    if matcher.ratio() < REWRITTEN:
        return [Piece(ADDED, new)]
    pieces: list[Piece] = []
    for tag, a0, a1, b0, b1 in matcher.get_opcodes():
        if tag == "equal":
            pieces.append(Piece(KEPT, "".join(after[b0:b1])))
            continue
        if a1 > a0:
            pieces.append(Piece(REMOVED, "".join(before[a0:a1])))
        if b1 > b0:
            pieces.append(Piece(ADDED, "".join(after[b0:b1])))
    return pieces


def is_rewritten(pieces: list[Piece]) -> bool:
    return len(pieces) == 1 and pieces[0].change == ADDED


def changed_words(old: str, new: str, *, removed: bool) -> tuple[list[S], bool]:
    """The new text with what is new underlined, with `removed` also what is gone; and whether it was rewritten."""
    pieces = word_diff(old, new)
    if is_rewritten(pieces):
        return [S(new, "gap")], True
    spans: list[S] = []
    for piece in pieces:
        bare = piece.text.lstrip()
        space = S(piece.text[: len(piece.text) - len(bare)] or (" " if spans and spans[-1].look == "s" else ""))
        if piece.change == REMOVED and removed:
            spans += [S(" ") if spans else S(""), S(bare, "muted", "s")]
        elif piece.change == ADDED:
            spans += [space, S(bare, "gap", "bu")]
        elif piece.change != REMOVED:
            spans += [space, S(bare)]
    return [span for span in spans if span.text], False
