"""Rows of conversations as score and triage read them: the answers that the run trained on."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from irltui.config.schema import DataSection
from irltui.data.template import PromptTemplate
from irltui.data.tokens import RowTokens
from irltui.rewards.scoring import RewardScore
from irltui.use.rows import UnusableRow, UsableRow, open_source
from irltui.use.score import _score_rows
from support import tiny

TALK = ["the cat?", "a cat", "the dog?", "a dog", "the sun?", " "]


def messages(texts: list[str]) -> dict[str, Any]:
    roles = ("user", "assistant")
    return {"messages": [{"role": roles[i % 2], "content": text} for i, text in enumerate(texts)]}


def read(path: Path, **section: Any) -> list[UsableRow | UnusableRow]:
    path.write_text("".join(json.dumps(messages(texts)) + "\n" for texts in (TALK[:4], TALK[:2], TALK)))
    asked = DataSection(source=str(path), **section)
    template = PromptTemplate(tiny.tokenizer(), frozenset({2}))
    return open_source(asked).read(range(3), RowTokens(asked, template, frozenset({2})))


@pytest.mark.parametrize(("turns", "counts"), [("last", [1, 1]), ("all", [2, 1])])
def test_a_conversation_has_the_answers_that_train(turns: str, counts: list[int], tmp_path: Path) -> None:
    *usable, bad = read(tmp_path / "a.jsonl", turns=turns)
    assert [len(row.turns) for row in usable if isinstance(row, UsableRow)] == counts
    assert isinstance(bad, UnusableRow)


def test_the_reward_of_a_conversation_is_the_sum_over_its_answers(tmp_path: Path) -> None:
    rows = read(tmp_path / "a.jsonl", turns="all")
    learned: Any = SimpleNamespace(
        rewards=lambda prompts, responses, batch: [RewardScore(len(y), [float(len(y))]) for y in responses],
        parts=SimpleNamespace(policy=SimpleNamespace(tokenizer=tiny.tokenizer())),
    )
    first, second, _ = _score_rows(learned, rows, batch=2, parts=True)
    assert (first["reward"], first["length"]) == (6.0, 6)
    assert (second["reward"], second["length"]) == (3.0, 3)
    assert first["completion"] == "a dog"
    assert first["token_rewards"] == [3.0, 3.0]
