"""Text becomes tokens once: for every kind of tokenizer that has gone wrong elsewhere."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from irltui.config.presets import LINE_TEMPLATE
from irltui.config.schema import DataSection
from irltui.data.demonstrations import load_demonstrations
from irltui.data.template import PromptTemplate, eos_ids
from irltui.errors import DataError

CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
WITH_BOS = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}]{{ m.content }}"
    "{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
SPECIAL = ["<|im_start|>", "<|im_end|>", "<|endoftext|>", "<s>", "</s>"]
TEXTS = ["hello world, how are you today?", "a good answer is a kind answer", "assistant answers are short", "4 + 4\n"]
SMOLLM2 = os.environ.get("IRLTUI_TEST_SMOLLM2", "")


def byte_level() -> Tokenizer:
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=SPECIAL,
        show_progress=False,
    )
    made.train_from_iterator(TEXTS * 4, trainer)
    return made


def enclosed(before: str, after: str) -> Tokenizer:
    """Puts special tokens around every text, as many tokenizers do."""
    made = byte_level()
    pieces = [(token, made.token_to_id(token)) for token in (before, after) if token]
    made.post_processor = processors.TemplateProcessing(single=f"{before} $A {after}".strip(), special_tokens=pieces)
    return made


MAKERS: dict[str, Any] = {
    "chatml, pad is eos": lambda: PreTrainedTokenizerFast(
        tokenizer_object=byte_level(), eos_token="<|im_end|>", pad_token="<|im_end|>", chat_template=CHATML
    ),
    "template and tokenizer both add bos": lambda: PreTrainedTokenizerFast(
        tokenizer_object=enclosed("<s>", ""), bos_token="<s>", eos_token="</s>", chat_template=WITH_BOS
    ),
    "turns end with another token than texts": lambda: PreTrainedTokenizerFast(
        tokenizer_object=byte_level(), eos_token="<|endoftext|>", chat_template=CHATML
    ),
    "no template, bos and eos around every text": lambda: PreTrainedTokenizerFast(
        tokenizer_object=enclosed("<s>", "</s>"), bos_token="<s>", eos_token="</s>"
    ),
    "no template, bos is eos": lambda: PreTrainedTokenizerFast(
        tokenizer_object=enclosed("<|endoftext|>", ""), bos_token="<|endoftext|>", eos_token="<|endoftext|>"
    ),
    "no template": lambda: PreTrainedTokenizerFast(tokenizer_object=byte_level(), eos_token="<|endoftext|>"),
}
NAMES = [*MAKERS, pytest.param("smollm2", marks=pytest.mark.skipif(not SMOLLM2, reason="IRLTUI_TEST_SMOLLM2 not set"))]
END = {"chatml, pad is eos": "<|im_end|>", "turns end with another token than texts": "<|im_end|>"} | {
    "template and tokenizer both add bos": "</s>",
    "no template, bos and eos around every text": "</s>",
}


@cache
def made(name: str) -> Any:
    return AutoTokenizer.from_pretrained(SMOLLM2) if name == "smollm2" else MAKERS[name]()


@cache
def template(name: str) -> PromptTemplate:
    tokenizer = made(name)
    return PromptTemplate(tokenizer, eos_ids(tokenizer, None), "auto" if tokenizer.chat_template else "none")


def file_template(path: Path, text: str, name: str = "no template") -> PromptTemplate:
    path.write_text(text)
    return PromptTemplate(made(name), eos_ids(made(name), None), str(path))


# SmolLM2 has no token for some bytes: those of control characters and of the higher planes.
CHARACTERS = st.characters(codec="utf-8", max_codepoint=0x1FFFF, exclude_categories=["Cc"], include_characters="\n\t")
TEXT = st.text(CHARACTERS, min_size=1, max_size=30).filter(lambda text: not any(token in text for token in SPECIAL))


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=40, deadline=None)
@given(prompt=TEXT, response=TEXT)
def test_prompt_and_response_decode_to_their_texts_and_nothing_merges_between(
    name: str, prompt: str, response: str
) -> None:
    x, y = template(name).prompt_ids(prompt), template(name).response_ids(response)
    tokenizer = made(name)
    assert tokenizer.decode(y[:-1]) == response
    assert tokenizer.decode([*x, *y[:-1]]).endswith(response)
    assert prompt.strip() in tokenizer.decode(x)
    assert list(y[:-1]) == tokenizer(response, add_special_tokens=False)["input_ids"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=20, deadline=None)
@given(prompt=TEXT, response=TEXT)
def test_the_only_end_in_prompt_and_response_is_the_response_s_last_token(
    name: str, prompt: str, response: str
) -> None:
    ends = eos_ids(made(name), None)
    y = template(name).response_ids(response)
    assert y[-1] in ends
    assert not ends & set(y[:-1])
    assert template(name).response_ids(response, ended=False) == y[:-1]
    assert template(name).prompt_ids(prompt)[-1] not in ends


@pytest.mark.parametrize("name", [name for name in MAKERS if "bos" in name])
def test_a_prompt_begins_with_one_bos(name: str) -> None:
    bos = made(name).bos_token_id
    ids = template(name).prompt_ids("hello")
    assert ids[0] == bos
    assert ids.count(bos) == 1
    assert bos not in template(name).response_ids("hello")[:-1]


def test_a_text_that_spells_out_the_bos_token_has_one() -> None:
    for name in ("no template, bos and eos around every text", "no template, bos is eos"):
        tokenizer = made(name)
        assert template(name).prompt_ids(tokenizer.bos_token + "hello") == template(name).prompt_ids("hello")


def test_a_template_file_without_the_bos_token_of_every_text_is_known(tmp_path: Path) -> None:
    name = "no template, bos and eos around every text"
    assert file_template(tmp_path / "line.jinja", LINE_TEMPLATE, name).lacks_bos
    assert not file_template(tmp_path / "bos.jinja", "{{ bos_token }}" + LINE_TEMPLATE, name).lacks_bos
    assert not file_template(tmp_path / "other.jinja", LINE_TEMPLATE).lacks_bos
    assert not template("template and tokenizer both add bos").lacks_bos


@pytest.mark.parametrize(("name", "end"), END.items())
def test_a_response_ends_as_the_template_ends_a_turn(name: str, end: str) -> None:
    assert made(name).decode([template(name).end_id]) == end


def test_every_id_that_ends_is_known() -> None:
    tokenizer = made("turns end with another token than texts")
    end, turn_end = tokenizer.convert_tokens_to_ids(["<|endoftext|>", "<|im_end|>"])
    assert eos_ids(tokenizer, None) == {end, turn_end}
    assert eos_ids(tokenizer, [end, 9]) == {end, turn_end, 9}
    assert eos_ids(tokenizer, 9) == {end, turn_end, 9}
    assert eos_ids(made("no template"), None) == {made("no template").eos_token_id}


@pytest.mark.parametrize(
    "chat",
    [
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}\n{% endfor %}<|im_start|>assistant\n",
        "{% for m in messages %}{{ m.content | upper }}<|im_start|>{% endfor %}",
        "{{ raise_exception('no') }}",
        "{% for %}",
    ],
)
def test_what_opens_a_turn_is_not_taken_for_its_end(chat: str) -> None:
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=byte_level(), eos_token="</s>", chat_template=chat)
    assert eos_ids(tokenizer, None) == {tokenizer.eos_token_id}


def test_a_response_s_blanks_stay_on_both_sides() -> None:
    """Hazard 5: nothing is stripped, so demonstrations keep what generations keep."""
    for name in MAKERS:
        assert made(name).decode(template(name).response_ids("\n a good answer \n")[:-1]) == "\n a good answer \n"


def test_a_prompt_that_ends_with_the_text_of_an_end_token_keeps_it() -> None:
    tokenizer = made("no template")
    assert template("no template").prompt_ids("hello<|endoftext|>")[-1] == tokenizer.eos_token_id


def test_a_system_message_of_the_row_goes_before_that_of_the_configuration() -> None:
    tokenizer = made("chatml, pad is eos")
    chat = PromptTemplate(tokenizer, eos_ids(tokenizer, None), system="be kind")
    assert "system\nbe kind<" in tokenizer.decode(chat.prompt_ids("hello"))
    assert "system\nbe short<" in tokenizer.decode(chat.prompt_ids("hello", "be short"))
    given_one = [{"role": "system", "content": "be brave"}, {"role": "user", "content": "hello"}]
    text = tokenizer.decode(chat.prompt_ids(given_one, "be short"))
    assert "be brave" in text
    assert "be short" not in text
    assert "be kind" not in text


def test_a_system_message_without_a_template_stands_before_the_prompt() -> None:
    tokenizer = made("no template")
    plain = PromptTemplate(tokenizer, eos_ids(tokenizer, None), "none", system="be kind")
    assert plain.prompt_ids("hello") == tuple(tokenizer("be kind\n\nhello")["input_ids"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{% for %}", "data.template: line 1 of the chat template: "),
        ("", "it leaves out what the user says"),
        ("{{ prompt }}", "it leaves out what the user says"),
        ("{{ 1 / 0 }}", "the chat template refuses this conversation: division by zero"),
        ("{{ messages[7].content }}", "the chat template refuses this conversation: "),
        ("{{ messages + 3 }}", "the chat template refuses this conversation: "),
    ],
)
def test_a_template_file_that_is_none_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError) as caught:
        file_template(tmp_path / "chat.jinja", text)
    assert message in caught.value.message


def test_a_template_file_that_is_missing_or_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.jinja").write_bytes(b"\xff\xfe")
    for name in ("a.jinja", "b.jinja"):
        with pytest.raises(DataError, match=r"data\.template: .*cannot be read") as caught:
            PromptTemplate(made("no template"), frozenset({2}), str(tmp_path / name))
        assert caught.value.hint == 'Name a Jinja file, or use "auto" or "none".'


def test_a_template_file_serves_a_tokenizer_without_one(tmp_path: Path) -> None:
    chat = file_template(tmp_path / "chat.jinja", CHATML)
    assert made("no template").decode(chat.prompt_ids("hello")).endswith("hello<|im_end|>\n<|im_start|>assistant\n")


def test_the_line_that_init_and_check_tell_puts_a_line_break_between_prompt_and_answer(tmp_path: Path) -> None:
    line = file_template(tmp_path / "line.jinja", LINE_TEMPLATE)
    assert made("no template").decode(line.prompt_ids("Who are you?")) == "Who are you?\n"
    guide = Path(__file__).parents[3] / "docs" / "guides" / "own-data.md"
    assert LINE_TEMPLATE in guide.read_text(encoding="utf-8").splitlines()


def test_rows_that_the_template_refuses_are_counted_with_its_words(tmp_path: Path) -> None:
    strict = "{% if messages[0].content == 'bad' %}{{ raise_exception('not bad') }}{% endif %}" + CHATML
    (tmp_path / "chat.jinja").write_text(strict)
    (tmp_path / "a.csv").write_text("prompt,completion\ngood,a\nbad,b\nbetter,c\n")
    section = DataSection(source=str(tmp_path / "a.csv"), template=str(tmp_path / "chat.jinja"))
    dropped = load_demonstrations(section, made("no template"), frozenset({2})).report.dropped
    assert {reason: tally.rows for reason, tally in dropped.items()} == {
        "the chat template refuses this conversation: not bad": [2]
    }


def test_a_completion_of_characters_that_the_tokenizer_leaves_out_is_dropped(tmp_path: Path) -> None:
    letters = Tokenizer(models.BPE())
    letters.train_from_iterator(["hello world"], trainers.BpeTrainer(special_tokens=["</s>"], show_progress=False))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=letters, eos_token="</s>")
    (tmp_path / "a.csv").write_text("prompt,completion\nhello,world\nworld,hello\nhello,日本\n日本,hello\n")
    section = DataSection(source=str(tmp_path / "a.csv"), template="none")
    dropped = load_demonstrations(section, tokenizer, frozenset({0})).report.dropped
    assert {reason: tally.rows for reason, tally in dropped.items()} == {
        "completion without tokens": [3],
        "the prompt has no tokens": [4],
    }


def test_a_tokenizer_whose_unknown_token_is_its_end_does_not_seem_to_close_every_text() -> None:
    words = Tokenizer(models.WordLevel({"</s>": 0, "hello": 1}, unk_token="</s>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, eos_token="</s>")
    assert PromptTemplate(tokenizer, frozenset({0}), "none").prompt_ids("hello") == (1,)
