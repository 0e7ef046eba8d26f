"""What each token adds to a text."""

from __future__ import annotations

from collections.abc import Sequence

from transformers import AutoTokenizer

from irltui.data.tokens import token_texts
from irltui.quickstart import model_folder


def strips_first_space(words: Sequence[str]) -> str:
    return "".join(words).removeprefix(" ")


def test_a_word_keeps_the_space_before_it() -> None:
    assert token_texts(["I", " am", " Hugo", "."], strips_first_space) == ["I", " am", " Hugo", "."]


def test_texts_join_to_the_decoded_whole() -> None:
    tokenizer = AutoTokenizer.from_pretrained(model_folder())
    ids = tokenizer("I am Hugo. The stew needs ten apples. How many apples do I need?")["input_ids"]
    texts = token_texts(ids, tokenizer.decode)
    assert "".join(texts) == tokenizer.decode(ids)
    assert " Hugo" in texts


def test_a_character_of_several_tokens_is_one_for_each() -> None:
    def of_bytes(ids: Sequence[int]) -> str:
        return bytes(ids).decode("utf-8", "replace")

    texts = token_texts(list("a☃b".encode()), of_bytes)
    assert len(texts) == 5
    assert (texts[0], texts[-1]) == ("a", "b")


def test_no_tokens_are_no_texts() -> None:
    assert token_texts([], strips_first_space) == []
