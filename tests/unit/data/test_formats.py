"""Rows as the field writes them: what of them is prompt, what is learned, and what is told of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from irltui.config.schema import DataSection
from irltui.data.columns import FIRST, find_columns
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.data.messages import BadRow
from irltui.data.row import Row, read_row, read_turns
from irltui.errors import DataError
from support import tiny

ASK, SAY = {"role": "user", "content": "the cat?"}, {"role": "assistant", "content": "the sun"}
CALL = {"type": "function", "function": {"name": "look", "arguments": {"at": "the moon"}}}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
DIALOGUE = "\n\nHuman: the cat?\n\nAssistant: the sun\n\nHuman: the dog?\n\nAssistant: the moon"


def read(raw: dict[str, Any], **columns: str) -> Row:
    section = DataSection.model_validate({"source": "d", "columns": columns})
    return read_row(raw, find_columns(section, list(raw), [raw]))


def load(path: Path, rows: list[Any], *, chat: str = tiny.CHAT, **section: Any) -> DemonstrationData:
    file = path / "rows.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    tokenizer = tiny.tokenizer()
    tokenizer.chat_template = chat or None
    return load_demonstrations(
        DataSection(source=str(file), max_prompt_tokens=2000, held_out=0.0, **section), tokenizer, frozenset({2})
    )


def told(data: DemonstrationData) -> str:
    return "\n".join(map(str, data.report.findings))


@pytest.mark.parametrize("column", ["input", "context"])
def test_the_input_of_an_instruction_is_on_the_line_below_it(column: str) -> None:
    assert read({"instruction": "Translate.", column: "the cat", "output": "die Katze"}).prompt == "Translate.\nthe cat"
    assert read({"instruction": "Translate.", column: "", "output": "die Katze"}).prompt == "Translate."
    assert read({"instruction": "a", column: "b", "output": "c"}, input="off").prompt == "a"


def test_a_context_that_is_no_text_is_left_to_a_finding() -> None:
    assert read({"question": "a", "context": {"ids": [3]}, "answer": "c"}).prompt == "a"


def test_system_and_history_stand_before_the_prompt() -> None:
    row = read({"instruction": "c?", "output": "d", "system": "s", "history": [["a?", "b"]]})
    assert row.system == "s"
    assert [(m["role"], m["content"]) for m in row.prompt if isinstance(m, dict)] == [
        ("user", "a?"),
        ("assistant", "b"),
        ("user", "c?"),
    ]
    assert read({"prompt": "c?", "completion": "d", "history": [ASK, SAY]}).prompt[:2] == [ASK, SAY]
    assert read({"question": "c?", "response": "d", "system_prompt": "s"}).system == "s"


def test_without_a_chat_template_a_system_message_stands_before_the_prompt_and_is_told(tmp_path: Path) -> None:
    rows = [{"prompt": "the cat?", "completion": "the sun", "system": "big dog"}]
    data = load(tmp_path, rows, chat="", template="none")
    assert data.train[0].prompt.tokens == tuple(tiny.tokenizer(chat=False)("big dog\n\nthe cat?")["input_ids"])
    assert 'the text of "system" stands before the prompt' in told(data)
    del rows[0]["system"]
    same = load(tmp_path, rows, chat="", template="none", system="big dog")
    assert same.train[0].prompt.tokens == data.train[0].prompt.tokens
    assert "data.system: no chat template: its text stands before the prompt" in told(same)


def test_share_gpt_calls_and_observations_become_those_of_the_chat_format() -> None:
    turns = [
        {"from": "human", "value": "the moon?"},
        {"from": "function_call", "value": json.dumps({"name": "look", "arguments": json.dumps({"at": "the moon"})})},
        {"from": "observation", "value": "it is big"},
        {"from": "gpt", "value": "big"},
    ]
    row = read({"conversations": turns, "tools": json.dumps([TOOL["function"]]), "system": "s"})
    assert row.prompt == [
        {"role": "user", "content": "the moon?"},
        {"role": "assistant", "content": "", "tool_calls": [CALL]},
        {"role": "tool", "content": "it is big"},
    ]
    assert (row.system, row.tools, row.completion) == ("s", [TOOL], "big")


def test_calls_reasoning_and_fields_of_messages_are_kept() -> None:
    answer = {"role": "Assistant", "content": None, "tool_calls": [CALL], "reasoning": "hm", "name": "bob"}
    row = read({"messages": [ASK, answer]})
    assert row.answer == {
        "role": "assistant",
        "content": "",
        "tool_calls": [CALL],
        "reasoning_content": "hm",
        "name": "bob",
    }
    assert row.completion == 'hm\n{"name": "look", "arguments": {"at": "the moon"}}'


def test_nulls_that_a_table_puts_into_messages_are_no_fields(tmp_path: Path) -> None:
    rows = [{"messages": [ASK, {**SAY, "weight": 1}]}, {"messages": [ASK, {**SAY, "tool_calls": [CALL]}]}]
    datasets.Dataset.from_list(rows * 4).save_to_disk(tmp_path / "saved")
    data = load_demonstrations(
        DataSection(source=str(tmp_path / "saved"), duplicates="keep"), tiny.tokenizer(), frozenset({2})
    )
    assert data.report.dropped == {} or "tool_calls" in next(iter(data.report.dropped))
    assert data.train[0].text == "the sun"


@pytest.mark.parametrize("content", [[{"type": "text", "text": "the "}, {"type": "text", "text": "cat?"}], "the cat?"])
def test_parts_of_text_are_one_text(content: Any) -> None:
    assert read({"messages": [{"role": "human", "content": content}, SAY]}).prompt == [ASK]


def test_a_conversation_may_be_json_text_or_a_dialogue() -> None:
    assert read({"messages": json.dumps([ASK, SAY])}).prompt == [ASK]
    for column in ("chosen", "text", "conversation"):
        row = read({column: DIALOGUE, "rejected": DIALOGUE + "!"})
        assert [m["content"] for m in row.prompt if isinstance(m, dict)] == ["the cat?", "the sun", "the dog?"]
        assert row.completion == "the moon"


def test_a_dialogue_is_learned_as_it_is_by_a_model_without_a_template(tmp_path: Path) -> None:
    data = load(tmp_path, [{"chosen": DIALOGUE, "rejected": DIALOGUE + " red"}], chat="", template="none")
    tokenizer = tiny.tokenizer(chat=False)
    assert tokenizer(DIALOGUE)["input_ids"] == [*data.train[0].prompt.tokens, *data.train[0].tokens[:-1]]
    assert 'note: data.columns: column "rejected" is not read' in told(data)


@pytest.mark.parametrize("chosen", [[ASK, SAY], [SAY]])
def test_chosen_messages_are_the_demonstration_and_rejected_ones_never(chosen: list[Any]) -> None:
    row = read({"rejected": [ASK, {**SAY, "content": "no"}], "prompt": "the cat?", "chosen": chosen})
    assert row.completion == "the sun"
    assert row.prompt_text == "the cat?"


def test_rejected_is_no_column_for_prompts_or_answers() -> None:
    with pytest.raises(DataError) as caught:
        read({"rejected": "a b c", "better": "d e f"})
    assert '"rejected"' not in caught.value.hint


def test_an_answer_with_the_label_false_is_no_demonstration(tmp_path: Path) -> None:
    rows = [{"prompt": f"the {w}", "completion": "the sun", "label": i % 3 == 0} for i, w in enumerate(tiny.WORDS)]
    report = load(tmp_path, rows).report
    assert report.train == 8
    assert report.dropped["label is false"].count == 14


def test_a_turn_of_weight_0_does_not_train(tmp_path: Path) -> None:
    turns = [ASK, SAY, {"role": "user", "content": "the dog?"}, {**SAY, "content": "the moon", "weight": 0}]
    assert read({"messages": turns}).prompt == [ASK]
    assert "weight" not in read({"messages": [ASK, {**SAY, "weight": 1}]}).answer
    with pytest.raises(BadRow, match="weight 0"):
        read({"messages": [ASK, {**SAY, "train": False}]})


def test_a_weight_that_is_neither_0_nor_1_is_a_finding(tmp_path: Path) -> None:
    answers = [{**SAY, "weight": 0.5}, {**SAY, "content": "the moon", "weight": 1, "train": True}]
    rows = [{"messages": [ASK, answer]} for answer in answers]
    assert "a weight that is neither 0 nor 1 train with weight 1: 1 (row 1)" in told(load(tmp_path, rows))


def test_every_turn_trains_if_asked_for_and_turns_of_a_conversation_stay_on_one_side(tmp_path: Path) -> None:
    rows = [
        {"messages": [{**ASK, "content": f"the {w}"}, SAY, ASK, {**SAY, "content": f"{w} {w}"}]} for w in tiny.WORDS
    ]
    last, every = load(tmp_path, rows), load(tmp_path, rows, turns="all")
    assert (last.report.train, every.report.train) == (len(rows), 2 * len(rows))
    assert "several answers of the assistant" in told(last)
    assert "several answers" not in told(every)
    assert [d.id for d in every.train[:3]] == ["row-1.1", "row-1.2", "row-2.1"]
    assert every.train[1].prompt.text == "user: the the\n\nassistant: the sun\n\nuser: the cat?"
    file = str(tmp_path / "rows.jsonl")
    data = load_demonstrations(DataSection(source=file, turns="all", held_out=0.3), tiny.tokenizer(), frozenset({2}))
    sides = [{d.id.partition(".")[0] for d in side} for side in (data.train, data.held_out)]
    assert sides[1]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ({"messages": [{"role": "robot", "content": "x"}, SAY]}, 'unknown role "robot"'),
        ({"messages": [{"content": "x"}, SAY]}, "a message without role, it has content"),
        ({"messages": [ASK, {"role": "assistant", "content": 3}]}, "content of the assistant message is a number"),
        ({"messages": [ASK, {"role": "assistant", "content": ""}]}, "empty assistant message"),
        ({"messages": [ASK, ASK]}, "conversation ends with a user message"),
        ({"messages": [{**ASK, "content": [{"type": "image"}]}, SAY]}, 'one of type "image"'),
        ({"messages": "who?"}, "conversation is text, neither a JSON list of messages nor"),
        ({"messages": {"a": 1}}, "conversation is an object (keys: a), not a list of messages"),
        ({"messages": ["a"]}, "a message is text, not an object"),
        ({"conversations": [ASK, {"from": "function_call", "value": "f"}]}, "function_call is not JSON"),
        ({"messages": [ASK, {**SAY, "tool_calls": [{"id": "1"}]}]}, "a call of a tool is an object"),
        ({"messages": [ASK, {**SAY, "weight": "no"}]}, "weight of a message is text"),
        ({"messages": [ASK, SAY], "tools": 3}, "tools are a number, not a list"),
        ({"prompt": "a", "completion": ["b", "c"]}, "completion is a list of 2 texts"),
        ({"prompt": "a", "completion": [ASK, SAY]}, "completion is a list of messages (user, assistant)"),
        ({"prompt": "a", "completion": "b", "history": ["c"]}, "history holds text, not a [question, answer] pair"),
        ({"prompt": "a", "completion": {"text": "b"}}, "completion is an object (keys: text), not text"),
    ],
)
def test_a_row_that_cannot_be_used_says_what_was_found(raw: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRow) as caught:
        read(raw)
    assert reason in str(caught.value)


@pytest.mark.parametrize(
    ("more", "level", "text"),
    [
        ({"score": 3.5}, "warning", 'column "score" is not read: all rows are demonstrations'),
        ({"userRating": 1}, "warning", 'column "userRating" is not read'),
        ({"passage": "the cat sees the dog"}, "warning", 'column "passage" holds text and is not read'),
        ({"documents": ["x"]}, "warning", 'column "documents" holds a list and is not read'),
        ({"prompt_id": "a b c", "n": 3}, "note", "columns that are not read: prompt_id, n"),
        ({"text": "the cat? the sun"}, "note", "columns that are not read: text"),
    ],
)
def test_columns_that_are_not_read_are_findings(tmp_path: Path, more: dict[str, Any], level: str, text: str) -> None:
    rows = [
        {"prompt": "the cat?", "completion": "the sun", **more},
        {"prompt": "the dog?", "completion": "sun", **more},
    ]
    if "text" in more:
        rows[1]["text"] = "the dog? sun"
    (finding,) = load(tmp_path, rows).report.findings
    assert finding.level == level
    assert text in finding.text


def test_fields_that_the_template_does_not_write_are_told(tmp_path: Path) -> None:
    rows = [{"messages": [{**ASK, "name": "bob"}, SAY]}]
    assert 'note: data.template: the chat template does not write the field "name", so it is not used' in told(
        load(tmp_path, rows)
    )
    with pytest.raises(DataError, match="the chat template leaves out the tools"):
        load(tmp_path, [{"messages": [ASK, SAY], "tools": [TOOL]}])


@pytest.mark.parametrize("field", ["reasoning_content", "thinking"])
def test_reasoning_is_handed_over_in_the_field_that_the_template_reads(tmp_path: Path, field: str) -> None:
    answer = "{% if m['role'] == 'assistant' %}{{ m." + field + " }} {% endif %}{{ m['content'] }}"
    chat = tiny.CHAT.replace("{{ m['content'] }}", answer)
    data = load(tmp_path, [{"messages": [ASK, {**SAY, "reasoning": "the moon"}]}], chat=chat)
    assert tiny.tokenizer().decode(data.train[0].tokens) == "the moon the sun<|end|>"


def test_a_list_of_rows_inside_one_object_is_met_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        load(tmp_path, [{"version": "1", "data": [{"prompt": "a", "completion": "b"}] * 3}])
    assert 'one object whose "data" holds a list of 3 rows' in caught.value.message
    assert "jq -c '.data[]'" in caught.value.hint


def test_a_conversation_has_a_row_for_each_turn_that_trains() -> None:
    raw = {"messages": [ASK, SAY, ASK, {**SAY, "weight": 0}, ASK, SAY]}
    turns = read_turns(raw, find_columns(DataSection(source="d"), list(raw), [raw] * FIRST))
    assert [len(turn.prompt) for turn in turns] == [1, 5]
