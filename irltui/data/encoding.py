"""Ids of texts that follow one another, so that a prompt's ids are the beginning of the whole sequence."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from transformers import PreTrainedTokenizerFast

from irltui.data.limits import read_within_limits

_GUARDS = ("\n", "a", ":", ".")


@dataclass(slots=True)
class Texts:
    """A prompt and the response after it, as they are written; `differs` as in Pair."""

    prompt: str
    response: str
    differs: bool = False


@dataclass(slots=True)
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


@dataclass(frozen=True, slots=True)
class _Mark:
    """The last special token of a text, its id, and what stands before and after it, with the ids of that."""

    text: str
    id: int
    before: str
    before_ids: list[int]
    after: str
    after_ids: list[int]


class Encoding:
    """Ids of a text and of its continuation.

    Args:
        tokenizer: a transformers tokenizer.
        special: whether the tokenizer adds what it puts around every text, such as a BOS token.
    """

    def __init__(self, tokenizer: Any, *, special: bool) -> None:
        self._tokenizer, self._special = tokenizer, special
        self._begins: _Mark | None = None
        self._ends: _Mark | None = None
        self._fast = _rust(tokenizer)
        around, alone = self._encode("?", special=True), self._encode("?", special=False)
        # Some tokenizers close every text; a prompt goes on.
        self._closes = special and around[-1 - len(alone) :] == [*alone, tokenizer.eos_token_id]

    def expect(self, beginning: str, ending: str) -> None:
        """Set how most prompts begin and end, which then is not encoded again for each of them.

        Tokenizers split a text at special tokens before anything else, so that what stands before one has the same
        ids whatever comes behind it, and the other way round.
        """
        self._begins, self._ends = self._last_mark(beginning), self._last_mark(ending)

    def _last_mark(self, text: str) -> _Mark | None:
        added = self._tokenizer.added_tokens_decoder if self._fast and not self._special else {}
        found = [
            (text.rfind(token.content), len(token.content), i)
            for i, token in added.items()
            if token.content in text and not (token.normalized or token.lstrip or token.rstrip or token.single_word)
        ]
        if not found:
            return None
        at, length, token = max(found)
        before, mark, after = text[:at], text[at : at + length], text[at + length :]
        *before_ids, last = self._encode(before + mark, special=False)
        first, *after_ids = self._encode(mark + after, special=False)
        return _Mark(mark, token, before, before_ids, after, after_ids) if first == last == token else None

    def ids(self, text: str) -> list[int]:
        """Ids of a text from its beginning, with one BOS token at most where the tokenizer adds it."""
        return self._all([text])[0]

    def pair(self, prompt: str, response: str) -> Pair:
        """Ids of a prompt, and those that its response has behind it."""
        return self.pairs([Texts(prompt, response)])[0]

    def pairs(self, texts: Sequence[Texts]) -> list[Pair]:
        """`pair` for many, in Rust where possible."""
        wholes = self._all([text.prompt + text.response for text in texts])
        prompts = [self._before(text, whole) for text, whole in zip(texts, wholes, strict=True)]
        alone = iter(self._all([text.prompt for text, found in zip(texts, prompts, strict=True) if found is None]))
        return [
            self._pair(text, next(alone) if before is None else before, whole)
            for text, before, whole in zip(texts, prompts, wholes, strict=True)
        ]

    def _before(self, text: Texts, whole: list[int]) -> list[int] | None:
        """A prompt's ids by those of the whole; None where they are unknown."""
        mark = self._ends
        if mark is None or not text.prompt.endswith(mark.text + mark.after) or mark.text in mark.after + text.response:
            return None
        if whole.count(mark.id) != text.prompt.count(mark.text):
            return None  # it is part of something else
        return whole[: _last(whole, mark.id) + 1] + mark.after_ids

    def _pair(self, text: Texts, before: list[int], both: list[int]) -> Pair:
        if both[: len(before)] == before:
            return Pair(tuple(before), tuple(both[len(before) :]), differs=text.differs)
        return Pair(tuple(before), tuple(self._continuation(text.response)), merged=True, differs=text.differs)

    def _continuation(self, text: str) -> list[int]:
        """Ids of a text that does not begin one: tokenizers of sentencepiece put a space before what begins."""
        for guard in _GUARDS:
            before, both = self._encode(guard, special=False), self._encode(guard + text, special=False)
            if both[: len(before)] == before:
                return both[len(before) :]
        return self._encode(text, special=False)

    def _all(self, texts: Sequence[str]) -> list[list[int]]:
        if self._fast is None:
            found = [self._encode(text, special=self._special) for text in texts]
        elif self._begins is None:
            found = self._in_rust(texts)
        else:
            found = self._behind(self._begins, texts)
        if not self._special:
            return found
        return [self._opened_once(text, ids) for text, ids in zip(texts, found, strict=True)]

    def _in_rust(self, texts: Sequence[str]) -> list[list[int]]:
        encode = partial(self._fast.encode_batch_fast, texts, add_special_tokens=self._special)
        return [each.ids for each in read_within_limits(encode, sum(map(len, texts)))]

    def _behind(self, mark: _Mark, texts: Sequence[str]) -> list[list[int]]:
        """Ids of texts, of which those that begin as expected are encoded from the mark on."""
        skips = [len(mark.before) * text.startswith(mark.before + mark.text) for text in texts]
        found = self._in_rust([text[skip:] for text, skip in zip(texts, skips, strict=True)])
        return [mark.before_ids + ids if skip else ids for ids, skip in zip(found, skips, strict=True)]

    def _opened_once(self, text: str, ids: list[int]) -> list[int]:
        ids = ids[:-1] if self._closes else ids
        bos = self._tokenizer.bos_token_id
        if bos is not None and ids[:2] == [bos, bos] and text.startswith(self._tokenizer.bos_token):
            return ids[1:]
        return ids

    def _encode(self, text: str, *, special: bool) -> list[int]:
        read = partial(self._tokenizer, text, add_special_tokens=special)
        return read_within_limits(read, len(text))["input_ids"]


def _rust(tokenizer: Any) -> Any:
    """The tokenizer in Rust that encodes all texts of this one; None where Python has a part in it."""
    own, plain = type(tokenizer), PreTrainedTokenizerFast
    if not isinstance(tokenizer, plain) or own.__call__ is not plain.__call__:
        return None
    return tokenizer.backend_tokenizer if own._encode_plus is plain._encode_plus else None


def _last(ids: Sequence[int], token: int) -> int:
    """The last place of a token that is there."""
    return len(ids) - 1 - ids[::-1].index(token)
