"""A tokenizer's special tokens: which of them a text spells out, and what of a text the tokenizer loses."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

_OWN = re.compile(r"</?(think|tool_call|tool_response|tools)>")  # what answers themselves write
_MARK = re.compile(r"<\S+>|\[\S+\]")


def control_tokens(tokenizer: Any, frame: str) -> dict[str, int]:
    """The special tokens, and marks in what a chat template writes that the tokenizer has but does not call special."""
    return {
        token.content: i
        for i, token in tokenizer.added_tokens_decoder.items()
        if token.special or (token.content in frame and _MARK.fullmatch(token.content))
    }


class SpecialTokens:
    """The control tokens of a tokenizer and its unknown token.

    Args:
        tokenizer: a transformers tokenizer.
        frame: what a chat template writes around messages.

    Attributes:
        unknown: the text of the unknown token, "" if there is none.
    """

    def __init__(self, tokenizer: Any, frame: str = "") -> None:
        control = control_tokens(tokenizer, frame)
        self._texts = {i: text for text, i in control.items()}
        self._tokenizer, self._written, self._lost = tokenizer, set[str](), set[str]()
        own = {tokenizer.bos_token_id, tokenizer.eos_token_id}
        # Where it has another duty (GPT-2's), the bytes leave nothing unknown.
        self._unknown = None if tokenizer.unk_token_id in own else tokenizer.unk_token_id
        self.unknown = str(tokenizer.unk_token or "")
        texts = sorted((text for text in control if text and not _OWN.fullmatch(text)), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, texts))) if texts else None

    def texts(self, ids: Iterable[int]) -> dict[int, str]:
        return {i: self._texts[i] for i in ids if self._texts.get(i)}

    def inside(self, text: str) -> list[str]:
        """The special tokens that a text spells out, each once, in order."""
        return list(dict.fromkeys(self._pattern.findall(text))) if self._pattern else []

    def first(self, text: str, ids: Iterable[int]) -> tuple[str, str, int] | None:
        """The first of these special tokens in a text: the text before it, its own text, its id; None without any."""
        found = [(at, token, i) for i, token in self.texts(ids).items() if (at := text.find(token)) >= 0]
        if not found:
            return None
        at, token, i = min(found, key=lambda each: (each[0], -len(each[1])))
        return text[:at], token, i

    def through_last(self, text: str, ids: Iterable[int]) -> str:
        """A text up to the last of some special tokens, that one included; all of it if it has none."""
        ends = [at + len(token) for token in self.texts(ids).values() if (at := text.rfind(token)) >= 0]
        return text[: max(ends, default=len(text))]

    def loses(self, text: str) -> bool:
        """Whether a text has characters that leave no token at all, not even the unknown one."""
        if self._written.issuperset(text):
            return False
        for character in set(text) - self._written - self._lost:
            after, alone = (
                self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in ("." + character, ".")
            )
            (self._written if character.isspace() or after != alone else self._lost).add(character)
        return not self._written.issuperset(text)

    def count_unknown(self, ids: Sequence[int], text: str) -> int:
        """How many of the ids stand for text that the tokenizer does not know, not for the token spelled out."""
        if self._unknown is None or self._unknown not in ids:
            return 0
        return max(0, list(ids).count(self._unknown) - text.count(self.unknown))
