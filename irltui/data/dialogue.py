r"""Dialogues that are written as one text: Anthropic's "\n\nHuman: ... \n\nAssistant: ..." and "### Human: ...".

A model with a chat template gets their turns; one without learns the text as it is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

_ROLES = {"Human": "user", "User": "user", "Assistant": "assistant"}
_BEGINS = re.compile(r"\s*(### ?)?(Human|User):")
_SPEAKER = "(Human|User|Assistant):"
_PARAGRAPH, _LINE, _HASHES = (re.compile(before + _SPEAKER) for before in (r"(?:^\s*|\n\n)", r"(?:^\s*|\n)", "### ?"))


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Roles, and where in the text each turn's content starts and ends."""

    text: str
    roles: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]

    @property
    def turns(self) -> list[tuple[str, str]]:
        return [(role, self.text[a:b].strip()) for role, (a, b) in zip(self.roles, self.spans, strict=True)]

    def at(self, turn: int) -> tuple[str, str]:
        """The text as it is up to a turn's content, and that content."""
        start, end = self.spans[turn]
        return self.text[:start], self.text[start:end].rstrip()


def parse_dialogue(text: str) -> Dialogue | None:
    """The turns of a text that begins with one of the user's; None where it does not, or where nobody answers."""
    begins = _BEGINS.match(text)
    if not begins:
        return None
    mark = _HASHES if begins[1] else _PARAGRAPH if "\n\nAssistant:" in text else _LINE
    marks = list(mark.finditer(text))
    if not any(found[1] == "Assistant" for found in marks):
        return None
    starts = [*(found.start() for found in marks), len(text)]
    spans = tuple((found.end(), end) for found, (_, end) in zip(marks, pairwise(starts), strict=True))
    return Dialogue(text, tuple(_ROLES[found[1]] for found in marks), spans)
