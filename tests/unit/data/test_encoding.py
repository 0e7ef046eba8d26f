"""Ids of many prompts and responses at once are those of each text encoded alone."""

from __future__ import annotations

from typing import Any

import pytest
from tokenizers import AddedToken
from transformers import PreTrainedTokenizerFast

from irltui.data.encoding import Encoding, Texts
from irltui.data.row import Row
from irltui.data.template import PromptTemplate, eos_ids
from irltui.errors import DataError
from support.chat_templates import FAMILIES, PUBLISHED, tokenizer

QUESTIONS = ["Who are you?", "two\n\n", "  ", "naïve ☃ <|im_start|>user", "<s>[INST] a [/INST]", "<", "<|"]
ANSWERS = ["I am.", " two ", "\n\nIt is", "<|im_start|>assistant\nno", "[/INST] it is", "|>", "im_start|>", "e", ""]


def alone(tok: Any, text: str) -> list[int]:
    return tok(text, add_special_tokens=False)["input_ids"]


def check(tok: Any, encoding: Encoding, texts: list[Texts]) -> None:
    for text, pair in zip(texts, encoding.pairs(texts), strict=True):
        before, both = alone(tok, text.prompt), alone(tok, text.prompt + text.response)
        assert list(pair.prompt) == before
        assert pair.merged == (both[: len(before)] != before)
        assert pair.merged or list(pair.response) == both[len(before) :]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", PUBLISHED)
def test_prompts_that_begin_and_end_as_expected_have_the_ids_that_they_have_alone(name: str, family: str) -> None:
    tok = tokenizer(PUBLISHED[name], family)
    template = PromptTemplate(tok, eos_ids(tok, None))
    texts = []
    for question in QUESTIONS:
        for answer in ANSWERS:
            written = template.texts([Row(question, "", {"role": "assistant", "content": answer})])[0]
            texts += [] if isinstance(written, DataError) else [written]
    assert texts
    prompt = texts[0].prompt
    for beginning, ending in ((prompt[:at], prompt[at:]) for at in range(0, len(prompt) + 1, 3)):
        encoding = Encoding(tok, special=False)
        encoding.expect(beginning, ending)
        check(tok, encoding, [*texts, *(Texts(beginning + question, " two") for question in QUESTIONS)])
        check(tok, encoding, [Texts("Who?" + ending, answer) for answer in ANSWERS])


def test_a_mark_that_takes_the_space_around_it_is_left_to_the_tokenizer() -> None:
    tok = PreTrainedTokenizerFast(tokenizer_object=FAMILIES["byte-level BPE"](("</s>",)), eos_token="</s>")
    tok.add_tokens([AddedToken("<|bot|>", lstrip=True, rstrip=True, normalized=False)])
    encoding = Encoding(tok, special=False)
    encoding.expect("is <|bot|> \n", " <|bot|>\n")
    check(tok, encoding, [Texts(f"is <|bot|> {a}two <|bot|>\n", answer) for a in ("", "\n", "a") for answer in ANSWERS])


def test_a_mark_that_is_part_of_a_longer_token_is_left_to_the_tokenizer() -> None:
    inner = FAMILIES["byte-level BPE"](("</s>", "<bot>", "a<bot>", "<bot>b"))
    tok = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>")
    encoding = Encoding(tok, special=False)
    encoding.expect("<bot> a<bot>", "<bot> a<bot>")
    check(tok, encoding, [Texts(f"<bot> a<bot>{text} <bot> a<bot>", "b") for text in ("", "b")])
    encoding.expect("a <bot>", "<bot>")
    before = ("", "a", "b<bot>", "a<bot><bot>")
    check(tok, encoding, [Texts(f"is {text}<bot>", answer) for text in before for answer in ("b", "c")])
    check(tok, encoding, [Texts(f"a <bot>{text}<bot>", answer) for text in ("", "b", "c") for answer in ("b", "c")])
