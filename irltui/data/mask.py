"""A few rows as the loss sees them: the text of every token of prompt and response, for people who check their data.

The ids are those that training uses, so that a wrong template or a truncated response shows. Knows no screen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from irltui.data.demonstrations import DemonstrationData
from irltui.data.tokens import token_texts
from irltui.runs.data_report import MaskedRow

ROWS = 4
LONGEST = 512  # tokens of a side that are shown; a prompt is known by its end, a response by its beginning


def masked_rows(data: DemonstrationData, decode: Callable[[Sequence[int]], str], count: int = ROWS) -> list[MaskedRow]:
    """The first training rows, in the order of the data; `decode` gives the text of ids, special tokens included."""
    found = []
    for demonstration in data.train[:count]:
        prompt, response = demonstration.prompt.tokens, demonstration.tokens
        found.append(
            MaskedRow(
                demonstration.id,
                tuple(token_texts(prompt[-LONGEST:], decode)),
                tuple(token_texts(response[:LONGEST], decode)),
                len(prompt),
                len(response),
                demonstration.ended,
            )
        )
    return found
