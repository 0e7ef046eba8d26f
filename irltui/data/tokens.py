"""A row's prompt and response as token ids, by the rules of the configuration. Knows one row at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from irltui.config.schema import DataSection
from irltui.data.columns import BadRow, Row
from irltui.data.template import PromptTemplate
from irltui.errors import DataError

OVERLONG = " over"
"""Part of every reason that a length is to blame for."""
_CONTEXT = 4  # tokens before one that say how it reads
INNER_END = "end-of-sequence token inside the response"


@dataclass(frozen=True, slots=True)
class Fitted:
    """Ids within the length limits; `cut` says what was done for that, and a cut response has not ended."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]
    ended: bool
    cut: tuple[str, ...]


class RowTokens:
    """Tokenises rows of one source.

    Args:
        section: lengths, and what happens to longer rows.
        template: of the model.
        eos_ids: ids that end a response.
    """

    def __init__(self, section: DataSection, template: PromptTemplate, eos_ids: frozenset[int]) -> None:
        self._section, self._template, self._eos_ids = section, template, eos_ids

    def prompt(self, row: Row, number: int) -> tuple[int, ...]:
        """Ids of a prompt.

        Raises:
            BadRow: the template refuses it.
            DataError: the template refuses every row of this kind.
        """
        try:
            return self._template.prompt_ids(row.prompt, row.system)
        except DataError as error:
            if error.hint:  # the configuration is wrong, not the row
                raise DataError(f"{self._section.source}: row {number}: {error.message}", error.hint) from error
            raise BadRow(error.message) from None

    def both(self, row: Row, number: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Ids of prompt and response, the latter closed by the end-of-sequence token, of any length.

        Raises:
            BadRow: the row cannot be used.
            DataError: no row of this kind can.
        """
        prompt, response = self.prompt(row, number), self._template.response_ids(row.completion)
        if len(response) == 1:
            raise BadRow("completion without tokens")
        if self._eos_ids & set(response[:-1]):
            raise BadRow(INNER_END)
        return prompt, response

    def fit(self, prompt: tuple[int, ...], response: tuple[int, ...], number: int) -> Fitted:
        """Prompt and response within the limits: a prompt loses its beginning, a response its end.

        Raises:
            BadRow: it is over-long and such rows are dropped.
            DataError: it is over-long and the policy is "error".
        """
        longest = self._section.max_prompt_tokens, self._section.max_response_tokens
        cut = [
            reason
            for what, ids, most in (("prompt", prompt, longest[0]), ("response", response, longest[1]))
            if (reason := self._too_long(what, len(ids), most, number))
        ]
        # Like a generation at the length cap, a cut response has no end of its own.
        ended = len(response) <= longest[1]
        return Fitted(prompt[-longest[0] :], response[: longest[1]], ended, tuple(cut))

    def _too_long(self, what: str, length: int, longest: int, number: int) -> str:
        if length <= longest:
            return ""
        if self._section.overlong == "error":
            raise DataError(
                f"{self._section.source}: row {number}: {what} of {length} tokens, "
                f"over data.max_{what}_tokens = {longest}",
                'Raise it, or set data.overlong to "drop" or "truncate".',
            )
        reason = f"{what}{OVERLONG} {longest} tokens"
        if self._section.overlong == "drop":
            raise BadRow(reason)
        return reason


def token_texts(tokens: Sequence[int], decode: Callable[[Sequence[int]], str]) -> list[str]:
    """What each token adds to the text: alone, many a tokenizer would drop the space before its word.

    Where a character takes several tokens, each stands for itself.
    """
    texts = []
    for i, token in enumerate(tokens):
        start = max(0, i - _CONTEXT)
        before, now = decode(tokens[start:i]) if i else "", decode(tokens[start : i + 1])
        texts.append(now[len(before) :] if now.startswith(before) else decode([token]))
    return texts
