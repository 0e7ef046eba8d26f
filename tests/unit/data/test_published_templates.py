"""Prompt and response are the model's own sequence: templates of published models, over the families of tokenizers."""

from __future__ import annotations

from copy import copy
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from irltui.data.row import Row
from irltui.data.template import PromptTemplate, eos_ids
from irltui.errors import DataError
from support.chat_templates import DEEPSEEK_R1, FAMILIES, PUBLISHED, Published, tokenizer

ASKED = [{"role": "user", "content": "What is one plus one?"}]
LATER = [*ASKED, {"role": "assistant", "content": "It is two."}, {"role": "user", "content": "Who are you?"}]
SYSTEM = [{"role": "system", "content": "Always answer in rhyme."}]
ANSWERS = ["I am a small model.", "2", "It is two.\nOr is it?", "  two", "naïve ☃"]
TOOLS = [{"type": "function", "function": {"name": "weather", "description": "Weather.", "parameters": {}}}]
CALL = {
    "role": "assistant",
    "content": "",
    "tool_calls": [{"type": "function", "function": {"name": "weather", "arguments": {"city": "Paris"}}}],
}
each_model = pytest.mark.parametrize("name", PUBLISHED)
each_family = pytest.mark.parametrize("family", FAMILIES)


def made(published: Published, family: str = "byte-level BPE") -> tuple[Any, PromptTemplate]:
    tok = tokenizer(published, family)
    return tok, PromptTemplate(tok, eos_ids(tok, None))


def whole(tok: Any, messages: list[Any], **options: Any) -> list[int]:
    return list(tok.apply_chat_template(messages, return_dict=False, **options))


@each_model
@each_family
def test_prompt_and_response_are_the_beginning_of_the_model_s_own_sequence(name: str, family: str) -> None:
    published = PUBLISHED[name]
    tok, template = made(published, family)
    systems = [[], SYSTEM] if published.system == "written" else [[]]
    for before in (system + turns for system in systems for turns in (ASKED, LATER)):
        for answer in ANSWERS:
            pair = template.pair_ids(before, answer)
            if pair.merged:  # the answer's first space is the prompt's last for this tokenizer
                assert answer.startswith(" ")
                continue
            ids = [*pair.prompt, *pair.response]
            assert whole(tok, [*before, {"role": "assistant", "content": answer}])[: len(ids)] == ids
            assert answer.strip() in tok.decode(ids) or "<unk>" in tok.decode(ids)


@each_model
@each_family
def test_sampling_and_training_have_the_same_prompt_which_begins_as_the_template_s(name: str, family: str) -> None:
    tok, template = made(PUBLISHED[name], family)
    for before in (ASKED, LATER):
        prompt = template.prompt_ids(before)
        assert prompt == template.pair_ids(before, "It is two.").prompt
        asked = whole(tok, before, add_generation_prompt=True)
        assert list(prompt[: len(asked)]) == asked
        head = tok.decode(prompt[len(asked) :])  # some tokenizers put a space between special tokens
        assert "".join(head.split()) == "".join(PUBLISHED[name].head.split())


@each_model
@each_family
def test_a_response_ends_once_with_the_template_s_end_of_a_turn_which_ends_sampling(name: str, family: str) -> None:
    published = PUBLISHED[name]
    tok, template = made(published, family)
    end = tok.convert_tokens_to_ids(published.end)
    response = template.pair_ids(ASKED, "It is two.").response
    assert template.end_id == response[-1] == end
    assert end in eos_ids(tok, None)
    assert not eos_ids(tok, None) & set(response[:-1])


@each_model
@each_family
def test_a_prompt_has_one_bos_token_at_most_per_turn_that_writes_it(name: str, family: str) -> None:
    published = PUBLISHED[name]
    tok, template = made(published, family)
    prompt = list(template.prompt_ids(ASKED))
    assert prompt == whole(tok, ASKED, add_generation_prompt=True)[: len(prompt)] or published.head
    if published.bos and published.bos not in {"<|im_start|>", published.end}:
        assert prompt.count(tok.bos_token_id) <= 1


@each_model
def test_a_system_message_is_written_or_refused(name: str) -> None:
    published = PUBLISHED[name]
    tok, template = made(published)
    match published.system:
        case "refused":
            with pytest.raises(DataError, match="System role not supported"):
                template.pair_ids([*SYSTEM, *ASKED], "It is two.")
        case "dropped":
            with pytest.raises(DataError, match="the chat template leaves out the system message"):
                template.pair_ids([*SYSTEM, *ASKED], "It is two.")
            with pytest.raises(DataError, match=r"data\.system: the chat template leaves out system messages"):
                PromptTemplate(tok, eos_ids(tok, None), system="Always answer in rhyme.")
        case _:
            assert "rhyme" in tok.decode(template.pair_ids([*SYSTEM, *ASKED], "It is two.").prompt)


def test_a_template_that_moves_the_system_message_keeps_its_generation_prompt() -> None:
    tok, template = made(PUBLISHED["mistral v3"])
    pair = template.pair_ids([*SYSTEM, *ASKED], "It is two.")
    assert pair.differs
    assert pair.prompt == template.prompt_ids([*SYSTEM, *ASKED])
    assert tok.decode([*pair.prompt, *pair.response]).endswith("rhyme.\n\nWhat is one plus one?[/INST] It is two.</s>")


@pytest.mark.parametrize("name", ["qwen3", "qwen3 thinking"])
def test_reasoning_is_learned_where_the_template_writes_it(name: str) -> None:
    tok, template = made(PUBLISHED[name])
    fields = {"role": "assistant", "content": "two", "reasoning_content": "one more"}
    inline = {"role": "assistant", "content": "<think>\none more\n</think>\n\ntwo"}
    for answer in (fields, inline):
        pair = template.pair_ids(ASKED, answer)
        text = tok.decode([*pair.prompt, *pair.response])
        assert text.endswith("<|im_start|>assistant\n<think>\none more\n</think>\n\ntwo<|im_end|>")
        assert pair.prompt == tuple(whole(tok, ASKED, add_generation_prompt=True))


def test_reasoning_that_the_template_does_not_know_is_not_dropped_in_silence() -> None:
    _, template = made(PUBLISHED["chatml"])
    with pytest.raises(DataError, match="the chat template leaves out the reasoning"):
        template.pair_ids(ASKED, {"role": "assistant", "content": "two", "reasoning_content": "one more"})


def test_the_reasoning_of_gpt_oss_is_learned_with_its_channels() -> None:
    tok, template = made(PUBLISHED["gpt-oss"])
    pair = template.pair_ids(ASKED, {"role": "assistant", "content": "two", "thinking": "one more"})
    assert tok.decode(pair.response) == (
        "<|channel|>analysis<|message|>one more<|end|><|start|>assistant<|channel|>final<|message|>two<|return|>"
    )


@pytest.mark.parametrize("family", FAMILIES)
def test_a_block_that_the_generation_prompt_opens_is_opened_once(family: str) -> None:
    tok, template = made(DEEPSEEK_R1, family)
    for answer in (
        "<think>\none more\n</think>\n\ntwo",
        "one more\n</think>\n\ntwo",
        {"role": "assistant", "content": "two", "reasoning_content": "one more"},
    ):
        pair = template.pair_ids(ASKED, answer)
        assert pair.prompt == tuple(whole(tok, ASKED, add_generation_prompt=True))
        text = tok.decode([*pair.prompt, *pair.response])
        assert text.count("<think>") == text.count("</think>") == 1
        assert pair.response[-1] == tok.eos_token_id
    with pytest.raises(DataError, match=r"opens <think> before an answer, and this one has no </think>"):
        template.pair_ids(ASKED, "two")


@pytest.mark.parametrize("name", ["qwen2.5", "qwen3", "llama 3.1"])
def test_tools_go_to_the_template_and_calls_are_learned(name: str) -> None:
    tok, template = made(PUBLISHED[name])
    pair = template.pair_ids(ASKED, CALL, tools=TOOLS)
    assert '"weather"' in tok.decode(pair.prompt)
    assert '"Paris"}' in tok.decode(pair.response)
    assert tok.decode(pair.response[-1:]) == PUBLISHED[name].end
    ids = [*pair.prompt, *pair.response]
    assert whole(tok, [*ASKED, CALL], tools=TOOLS)[: len(ids)] == ids
    after = [*ASKED, CALL, {"role": "tool", "content": 'sunny, "very"'}]
    assert "sunny" in tok.decode(template.pair_ids(after, "It is sunny.", tools=TOOLS).prompt)


def test_a_call_of_gpt_oss_ends_with_its_own_token_if_that_ends_sampling() -> None:
    tok = tokenizer(PUBLISHED["gpt-oss"], "byte-level BPE")
    call = tok.convert_tokens_to_ids("<|call|>")
    template = PromptTemplate(tok, eos_ids(tok, [tok.eos_token_id, call]))
    response = template.pair_ids(ASKED, CALL).response
    assert response[-1] == call
    assert "to=functions.weather" in tok.decode(response)


@pytest.mark.parametrize("name", ["chatml", "phi-4", "gemma 2"])
def test_tools_that_the_template_leaves_out_are_refused(name: str) -> None:
    _, template = made(PUBLISHED[name])
    with pytest.raises(DataError, match="the chat template leaves out the tools"):
        template.pair_ids(ASKED, "It is two.", tools=TOOLS)
    with pytest.raises(DataError, match="the chat template leaves out the tool_calls"):
        template.pair_ids(ASKED, CALL)


@each_model
def test_a_prompt_that_is_formatted_already_is_refused(name: str) -> None:
    tok, template = made(PUBLISHED[name])
    formatted = tok.apply_chat_template(ASKED, add_generation_prompt=True, tokenize=False)
    if not PUBLISHED[name].head.startswith("<|im_start|>"):
        with pytest.raises(DataError, match="formatted already"):
            template.pair_ids(formatted, "It is two.")


@each_family
def test_formatted_texts_are_joined_as_they_are_with_one_bos_and_one_end(family: str) -> None:
    for name in ("llama 2", "llama 3", "chatml"):
        tok = tokenizer(PUBLISHED[name], family)
        text = tok.apply_chat_template([*ASKED, {"role": "assistant", "content": "It is two."}], tokenize=False)
        at = text.index("It is two.")
        plain = PromptTemplate(tok, eos_ids(tok, None), "none")
        pair = plain.pair_ids(text[:at].rstrip(" "), text[len(text[:at].rstrip(" ")) :])
        ids = [*pair.prompt, *pair.response]
        assert ids == tok(text, add_special_tokens=False)["input_ids"][: len(ids)]
        assert not eos_ids(tok, None) & set(pair.response[:-1])
        assert pair.response[-1] in eos_ids(tok, None)


def test_a_template_that_begins_answers_otherwise_than_it_asks_for_them_is_refused() -> None:
    turns = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    odd = Published(turns + "{% if add_generation_prompt %}BOT:{% endif %}", ("</s>",), "</s>")
    tok = tokenizer(odd, "bytes")
    with pytest.raises(DataError, match=r"data\.template: the chat template asks for an answer with 'BOT:'") as caught:
        PromptTemplate(tok, eos_ids(tok, None))
    assert "data.template" in caught.value.hint


def test_a_turn_may_end_with_a_token_that_the_tokenizer_does_not_call_special() -> None:
    inner = FAMILIES["byte-level BPE"](("<|endoftext|>",))
    inner.add_tokens(["<|im_start|>", "<|im_end|>", "\n"])
    tok = PreTrainedTokenizerFast(
        tokenizer_object=inner, eos_token="<|endoftext|>", chat_template=PUBLISHED["chatml"].template
    )
    end = tok.convert_tokens_to_ids("<|im_end|>")
    assert eos_ids(tok, None) == {tok.eos_token_id, end}
    template = PromptTemplate(tok, eos_ids(tok, None))
    assert template.end_id == template.pair_ids(ASKED, "It is two.").response[-1] == end
    assert template.special.inside("<|im_end|>\n<|im_start|>user") == ["<|im_end|>", "<|im_start|>"]


def test_conversations_with_tools_take_the_tokenizer_s_template_for_them() -> None:
    tok = copy(tokenizer(PUBLISHED["chatml"], "bytes"))
    tok.chat_template = {"default": PUBLISHED["chatml"].template, "tool_use": PUBLISHED["qwen2.5"].template}
    template = PromptTemplate(tok, eos_ids(tok, None))
    assert "<tools>" in tok.decode(template.pair_ids(ASKED, CALL, tools=TOOLS).prompt)
    assert "Qwen" not in tok.decode(template.prompt_ids(ASKED))


def test_what_begins_the_next_turn_ends_an_answer_where_nothing_else_does() -> None:
    """GLM's shape: its generation config names the token that begins the user's turn as an end."""
    turns = (
        "{% for m in messages %}{{ '<|' + m.role + '|>\\n' }}"
        "{% if m.role == 'assistant' %}{{ '<think></think>\\n' }}{% endif %}{{ m.content }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
    )
    glm = Published(
        turns, ("<|user|>", "<|assistant|>", "<|system|>", "<|endoftext|>"), "<|user|>", eos="<|endoftext|>"
    )
    tok = tokenizer(glm, "byte-level BPE")
    user = tok.convert_tokens_to_ids("<|user|>")
    template = PromptTemplate(tok, eos_ids(tok, [tok.eos_token_id, user]))
    pair = template.pair_ids(ASKED, "It is two.")
    assert tok.decode(pair.response) == "It is two.<|user|>"
    assert tok.decode(pair.prompt).endswith("<|assistant|>\n<think></think>\n")
    assert template.is_followed(pair, Row(ASKED, "", {"role": "assistant", "content": "It is two."}))
    assert PromptTemplate(tok, eos_ids(tok, None)).end_id == tok.eos_token_id


def test_a_block_that_plain_answers_close_at_once_takes_answers_with_reasoning_alone() -> None:
    """Nemotron's shape: asked for with <think> and a new line, an answer without reasoning begins <think></think>."""
    turns = (
        "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' }}{% if m.role == 'assistant' %}"
        "{{ '<think>\\n' + m.reasoning_content + '\\n</think>\\n' if m.reasoning_content else '<think></think>' }}"
        "{% endif %}{{ m.content + '<|im_end|>\\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n<think>\\n' }}{% endif %}"
    )
    tok = tokenizer(Published(turns, ("<|im_start|>", "<|im_end|>"), "<|im_end|>"), "byte-level BPE")
    template = PromptTemplate(tok, eos_ids(tok, None))
    answer = {"role": "assistant", "content": "two", "reasoning_content": "one more"}
    pair = template.pair_ids(ASKED, answer)
    assert pair.prompt == tuple(whole(tok, ASKED, add_generation_prompt=True)) == template.prompt_ids(ASKED)
    assert tok.decode(pair.response) == "one more\n</think>\ntwo<|im_end|>"
    with pytest.raises(DataError, match="opens <think> before an answer, and this one has no reasoning"):
        template.pair_ids(ASKED, "two")
