"""Ids of texts that follow one another, so that a prompt's ids are the beginning of the whole sequence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

_GUARDS = ("\n", "a", ":", ".")


@dataclass(frozen=True, slots=True)
class Pair:
    """Ids of a prompt and of the response after it.

    `merged`: the tokenizer alone would join the end of the prompt with the beginning of the response. They are kept
    apart, because a model that is given the prompt begins its response with a token of its own.
    `differs`: the chat template writes the messages before an answer differently once the answer is there.
    """

    prompt: tuple[int, ...]
    response: tuple[int, ...]
    merged: bool = False
    differs: bool = False


class Encoding:
    """Ids of a text and of its continuation.

    Args:
        tokenizer: a transformers tokenizer.
        special: whether the tokenizer adds what it puts around every text, such as a BOS token.
    """

    def __init__(self, tokenizer: Any, *, special: bool) -> None:
        self._tokenizer, self._special = tokenizer, special
        around, alone = self._encode("?", special=True), self._encode("?", special=False)
        # Some tokenizers close every text; a prompt goes on.
        self._closes = special and around[-1 - len(alone) :] == [*alone, tokenizer.eos_token_id]

    def ids(self, text: str) -> list[int]:
        """Ids of a text from its beginning, with one BOS token at most where the tokenizer adds it."""
        ids = self._encode(text, special=self._special)
        ids = ids[:-1] if self._closes else ids
        bos = self._tokenizer.bos_token_id
        if self._special and bos is not None and ids[:2] == [bos, bos] and text.startswith(self._tokenizer.bos_token):
            return ids[1:]
        return ids

    def pair(self, prompt: str, response: str) -> Pair:
        """Ids of a prompt, and those that its response has behind it."""
        before, both = self.ids(prompt), self.ids(prompt + response)
        if both[: len(before)] == before:
            return Pair(tuple(before), tuple(both[len(before) :]))
        return Pair(tuple(before), tuple(self._continuation(response)), merged=True)

    def _continuation(self, text: str) -> list[int]:
        """Ids of a text that does not begin one: tokenizers of sentencepiece put a space before what begins."""
        for guard in _GUARDS:
            before, both = self._encode(guard, special=False), self._encode(guard + text, special=False)
            if both[: len(before)] == before:
                return both[len(before) :]
        return self._encode(text, special=False)

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return self._tokenizer(text, add_special_tokens=special)["input_ids"]
