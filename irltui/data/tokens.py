"""A row's prompt and response as token ids, by the rules of the configuration. Knows one row at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from irltui.config.schema import DataSection
from irltui.data.encoding import Pair, Texts
from irltui.data.messages import BadRow
from irltui.data.row import Row
from irltui.data.template import NO_PROMPT, PromptTemplate
from irltui.errors import DataError

OVERLONG = " over"
"""Part of every reason that a length is to blame for."""
_CONTEXT = 4  # tokens decoded before a token, since its text depends on them
INNER_END = "end-of-sequence token inside the response"
SPECIAL = "special token"
UNKNOWN = "unknown token"
LOST = "characters that the tokenizer has no token for"
NO_BOS = "the tokenizer begins every text with its BOS token, and the template file does not"
MERGED = "the tokenizer would join the end of the prompt and the beginning of the response"
DIFFERS = "the chat template writes the messages before the answer differently once the answer is there"
NOT_FOLLOWED = "the ids are not those that the chat template makes of the whole conversation"
_FIRST, _EVERY = 16, 1009  # rows whose ids are compared with the template's


@dataclass(slots=True)
class Fitted:
    """Ids within the length limits; `truncated` says what was shortened; a truncated response has not ended."""

    prompt: tuple[int, ...]
    response: tuple[int, ...]
    ended: bool
    truncated: tuple[str, ...]


class RowTokens:
    """Tokenises rows of one source, within the lengths that its section says."""

    def __init__(self, section: DataSection, template: PromptTemplate, eos_ids: frozenset[int]) -> None:
        self._section, self._template, self._eos_ids = section, template, eos_ids

    def prompt(self, row: Row, number: int) -> tuple[int, ...]:
        """Ids of a prompt.

        Raises:
            BadRow: the template refuses it.
            DataError: the template refuses every row of this kind.
        """
        prompt = row.text[0] if row.text and self._template.is_plain else row.prompt
        try:
            return self._template.prompt_ids(prompt, row.system, row.tools)
        except DataError as error:
            raise self._verdict(error, number) from None

    def pair(self, row: Row, number: int) -> Pair:
        """Ids of prompt and response, the latter closed by the end-of-sequence token, of any length.

        Raises:
            BadRow: the row cannot be used.
            DataError: no row of this kind can.
        """
        text = self.texts([row], [number])[0]
        if not isinstance(text, Texts):
            raise text
        pair = self._template.encoded([text])[0]
        self.check(pair)
        return pair

    def texts(self, rows: Sequence[Row], numbers: Sequence[int]) -> list[Texts | BadRow | DataError]:
        """Prompts and responses as they are written, for the template; an error for a row that cannot be used."""
        found = self._template.texts(rows)
        return [
            self._verdict(text, number) if isinstance(text, DataError) else text
            for text, number in zip(found, numbers, strict=True)
        ]

    def check(self, pair: Pair) -> None:
        """Refuse what is no demonstration.

        Raises:
            BadRow: it is none.
        """
        if not pair.prompt:
            raise BadRow(NO_PROMPT)
        if len(pair.response) == 1:
            raise BadRow("completion without tokens")
        if not self._eos_ids.isdisjoint(pair.response[:-1]):
            raise BadRow(INNER_END)

    def remarks(self, row: Row, pair: Pair, number: int) -> Iterator[str]:
        """What is doubtful in a row that trains; every text is one of a few, so that rows can be counted by it."""
        special = self._template.special
        for what, text, ids in (
            ("prompt", "\n".join((row.system, row.prompt_text)), pair.prompt),
            ("response", row.completion, pair.response[:-1]),
        ):
            yield from (f"{SPECIAL} {token} in the {what}" for token in special.inside(text))
            if special.count_unknown(ids, text):
                yield f"{UNKNOWN} {special.unknown} in the {what}"
            if special.loses(text):
                yield f"{LOST} in the {what}"
        if self._template.lacks_bos:
            yield NO_BOS
        if pair.merged:
            yield MERGED
        if pair.differs:
            yield DIFFERS
        elif (
            not pair.merged and (number <= _FIRST or number % _EVERY == 0) and not self._template.is_followed(pair, row)
        ):
            yield NOT_FOLLOWED

    def _verdict(self, error: DataError, number: int) -> BadRow | DataError:
        """An error without a hint is the row's; with one it is that of every row of this kind."""
        if error.hint:
            return DataError(f"{self._section.source}: row {number}: {error.message}", error.hint)
        return BadRow(error.message)

    def fit(self, prompt: tuple[int, ...], response: tuple[int, ...], number: int) -> Fitted:
        """Prompt and response within the limits: a prompt loses its beginning, a response its end.

        Raises:
            BadRow: it is over-long and such rows are dropped.
            DataError: it is over-long and the policy is "error".
        """
        longest = self._section.max_prompt_tokens, self._section.max_response_tokens
        truncated = [
            reason
            for what, ids, most in (("prompt", prompt, longest[0]), ("response", response, longest[1]))
            if (reason := self._too_long(what, len(ids), most, number))
        ]
        # Like a generation at the length cap, a truncated response has no end of its own.
        ended = len(response) <= longest[1]
        return Fitted(prompt[-longest[0] :], response[: longest[1]], ended, tuple(truncated))

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
