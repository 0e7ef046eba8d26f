"""What each token adds to a text, and what is doubtful in a row's tokens."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from irltui.config.schema import DataSection
from irltui.data.demonstrations import load_demonstrations
from irltui.data.template import eos_ids
from irltui.data.tokens import DIFFERS, LOST, MERGED, NOT_FOLLOWED, token_texts
from irltui.quickstart import MODELS, NAME
from support.chat_templates import PUBLISHED, Published, tokenizer


def strips_first_space(words: Sequence[str]) -> str:
    return "".join(words).removeprefix(" ")


def test_a_word_keeps_the_space_before_it() -> None:
    assert token_texts(["I", " am", " Hugo", "."], strips_first_space) == ["I", " am", " Hugo", "."]


def test_texts_join_to_the_decoded_whole() -> None:
    tokenizer = AutoTokenizer.from_pretrained(MODELS[NAME])
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


def remarks(path: Path, rows: list[dict[str, Any]], tok: Any, **section: Any) -> dict[str, list[int]]:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    options = DataSection(source=str(path), held_out=0.0, **section)
    report = load_demonstrations(options, tok, eos_ids(tok, None)).report
    return {remark: tally.rows for remark, tally in report.remarks.items()}


def test_rows_without_doubt_have_no_remark(tmp_path: Path) -> None:
    rows = [{"prompt": f"What is {i}?", "completion": f"It is {i}."} for i in range(9)]
    for name, published in PUBLISHED.items():
        assert remarks(tmp_path / "d.jsonl", rows, tokenizer(published, "byte-level BPE")) == {}, name


def test_a_prompt_and_an_answer_that_the_tokenizer_would_join_are_remarked(tmp_path: Path) -> None:
    rows = [{"prompt": "Who are", "completion": " you?"}, {"prompt": "Who are ", "completion": "you?"}]
    tok = tokenizer(PUBLISHED["zephyr"], "sentencepiece BPE with a space before")
    assert remarks(tmp_path / "d.jsonl", rows, tok, template="none") == {MERGED: [2]}


def test_a_template_that_writes_the_prompt_differently_behind_an_answer_is_remarked(tmp_path: Path) -> None:
    rows = [{"prompt": "Who are you?", "completion": "A model."}, {"prompt": "Are you?", "completion": "Yes."}]
    tok = tokenizer(PUBLISHED["mistral v3"], "bytes")
    assert remarks(tmp_path / "d.jsonl", rows, tok, system="Be kind.") == {DIFFERS: [1, 2]}


def test_ids_that_the_template_does_not_make_are_remarked(tmp_path: Path) -> None:
    """Nothing that is read shows it: this template counts how often it was asked."""
    rows = [{"prompt": "Who are you?", "completion": "A model."}, {"prompt": "Are you?", "completion": "Yes."}]
    turns = "{% for m in messages %}[{{ m.role }}]{{ m.content }}</s>{% endfor %}"
    tok = tokenizer(Published(turns, ("</s>",), "</s>"), "bytes")
    whole = type(tok).apply_chat_template

    class Odd(type(tok)):
        def apply_chat_template(self, *args: Any, **options: Any) -> Any:
            made = whole(self, *args, **options)
            return made if options.get("tokenize") is False else made[1:]

    tok.__class__ = Odd
    assert remarks(tmp_path / "d.jsonl", rows, tok) == {NOT_FOLLOWED: [1, 2]}


def test_characters_that_leave_no_token_are_remarked(tmp_path: Path) -> None:
    letters = {c: i for i, c in enumerate(["</s>", *"abcdefghijklmnopqrstuvwxyz?. "])}
    inner = Tokenizer(models.BPE(vocab=letters, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.Split(".", "isolated")
    inner.add_special_tokens(["</s>"])
    tok = PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="</s>")
    rows = [{"prompt": "who is it?", "completion": "me."}, {"prompt": "who?", "completion": "you, \u2603"}]
    assert remarks(tmp_path / "d.jsonl", rows, tok, template="none") == {f"{LOST} in the response": [2]}
