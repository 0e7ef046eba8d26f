"""Rows, as rewards, samplers and objectives see them: text, messages, demonstration and every column of the data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from irltui.api import Prompt
from irltui.config.schema import DataSection
from irltui.data.demonstrations import load_demonstrations
from irltui.errors import DataError
from irltui.lm.policy import LanguageModelPolicy
from irltui.runs.data_report import Tally
from support import tiny

ROW = {"prompt": "who is this?", "completion": "the moon", "unit": "km", "scores": [1, 2], "rival": {"name": "sun"}}
ANSWER = {"role": "assistant", "content": "the moon"}


def load(path: Path, rows: list[dict[str, Any]], **section: Any) -> Any:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_demonstrations(DataSection(source=str(path), held_out=0, **section), tiny.tokenizer(), frozenset({2}))


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_prompt_knows_every_column_and_the_demonstration(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"rows.{kind}"
    if kind == "parquet":
        datasets.Dataset.from_list([ROW]).to_parquet(path)
        found = load_demonstrations(DataSection(source=str(path)), tiny.tokenizer(), frozenset({2})).train[0]
    else:
        found = load(path, [ROW]).train[0]
    row = found.prompt.row
    assert (row.id, row.prompt, row.response) == ("row-1", "who is this?", "")
    assert row.columns == ROW
    assert row.demonstration == found
    assert row.messages == [{"role": "user", "content": "who is this?"}]
    assert not row.is_chat


def test_a_system_message_belongs_to_the_messages(tmp_path: Path) -> None:
    row = load(tmp_path / "r.jsonl", [{**ROW, "system": "Be brief."}]).train[0].prompt.row
    assert row.is_chat
    assert [message["role"] for message in row.messages] == ["system", "user"]


def test_each_turn_of_a_conversation_is_a_row_of_its_own(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "who?"}, ANSWER, {"role": "user", "content": "and then?"}]
    messages = [*asked, {"role": "assistant", "content": "the sun"}]
    first, second = load(tmp_path / "r.jsonl", [{"messages": messages, "level": 3}], turns="all").train
    assert first.prompt.row.messages == asked[:1]
    assert second.prompt.row.messages == asked
    assert second.prompt.row.demonstration.text == "the sun"
    assert second.prompt.row.columns["level"] == 3


def test_a_batch_has_the_row_and_the_text_of_each_response(tmp_path: Path) -> None:
    found = load(tmp_path / "r.jsonl", [ROW]).train[0]
    tokenizer = tiny.tokenizer()
    policy = LanguageModelPolicy(tiny.model(), tokenizer, frozenset({2}), tiny.model)
    copy = replace(found.prompt, id=f"{found.prompt.id}#4")
    other = tuple(tokenizer("the sun").input_ids)
    rows = policy.collate(
        [found.prompt, copy, Prompt("item-0", "hello", (5,))], [found.tokens, other, other], [0.0] * 3
    ).rows
    assert [row.response for row in rows] == ["the moon", "the sun", "the sun"]
    assert [row.id for row in rows] == ["row-1", "row-1", "item-0"]
    assert rows[1].demonstration.text == "the moon"
    assert rows[2].demonstration is None
    assert rows[2].messages == [{"role": "user", "content": "hello"}]


def test_prompts_without_demonstrations_are_read_beside_the_demonstrations(tmp_path: Path) -> None:
    more = tmp_path / "more.jsonl"
    asked = ["who is the sun?", "who is the sun?", "", "the moon?"]
    more.write_text("".join(json.dumps({"question": text, "level": i}) + "\n" for i, text in enumerate(asked)))
    plain = load(tmp_path / "r.jsonl", [ROW])
    data = load(tmp_path / "r.jsonl", [ROW], prompts=str(more), columns={"prompt": "prompt"})
    assert [prompt.text for prompt in data.prompts] == ["who is the sun?", "the moon?"]
    assert data.prompts[-1].row.columns == {"question": "the moon?", "level": 3}
    assert data.prompts[1].row.demonstration is None
    assert data.prompts.dropped == {"duplicate": Tally(1, [2]), "empty prompt": Tally(1, [3])}
    assert "2 prompts without demonstrations" in str(data.report.findings[-1])
    assert data.digest != plain.digest


def test_prompts_that_cannot_be_read_are_refused_by_their_own_option(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"data\.prompts: .*nowhere\.jsonl"):
        load(tmp_path / "r.jsonl", [ROW], prompts=str(tmp_path / "nowhere.jsonl"))
    (tmp_path / "empty.jsonl").write_text('{"prompt": " "}\n')
    with pytest.raises(DataError, match=r"none of 1 rows can be used: empty prompt: 1 \(row 1\)"):
        load(tmp_path / "r.jsonl", [ROW], prompts=str(tmp_path / "empty.jsonl"))
