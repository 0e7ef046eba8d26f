"""Data that is read for its prompts alone."""

from __future__ import annotations

import pytest

from irltui.config.schema import ColumnsSection, DataSection
from irltui.data.columns import Columns, find_prompt_columns
from irltui.data.messages import BadRow
from irltui.data.row import read_prompt
from irltui.errors import DataError


def section(**columns: str) -> DataSection:
    return DataSection(source="d", columns=ColumnsSection(**columns))


@pytest.mark.parametrize(
    ("columns", "names", "found"),
    [
        ({}, ["prompt"], Columns("prompt")),
        ({}, ["question", "answer"], Columns("question")),
        ({}, ["messages"], Columns(messages="messages")),
        ({}, ["messages", "prompt"], Columns("prompt")),
        ({"messages": "messages"}, ["messages", "prompt"], Columns(messages="messages")),
        ({"prompt": "x", "completion": "gone"}, ["x"], Columns("x")),
        ({"system": "s"}, ["prompt", "s"], Columns("prompt", system="s")),
    ],
)
def test_completions_are_not_asked_for(columns: dict[str, str], names: list[str], found: Columns) -> None:
    assert find_prompt_columns(section(**columns), names) == found
    assert "completions" not in str(found)


@pytest.mark.parametrize(
    ("columns", "names", "message"),
    [
        ({}, ["text"], "data.columns.prompt: no column of a usual name"),
        ({"prompt": "gone"}, ["prompt"], 'data.columns.prompt: column "gone" not found'),
        ({"system": "gone"}, ["prompt"], 'data.columns.system: column "gone" not found'),
    ],
)
def test_missing_columns_are_named(columns: dict[str, str], names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        find_prompt_columns(section(**columns), names)


ASKED = {"role": "user", "content": "who?"}
SAID = {"role": "assistant", "content": "me"}


def test_an_answer_at_the_end_of_a_conversation_is_left_out() -> None:
    columns = Columns(messages="messages")
    assert read_prompt({"messages": [ASKED, SAID]}, columns).prompt == [ASKED]
    assert read_prompt({"messages": [ASKED]}, columns).prompt == [ASKED]
    with pytest.raises(BadRow, match="empty prompt"):
        read_prompt({"messages": [SAID]}, columns)


@pytest.mark.parametrize("raw", [{}, {"prompt": None}, {"prompt": " "}, {"prompt": 3}, {"prompt": [ASKED, SAID]}])
def test_rows_without_a_prompt_are_bad(raw: dict[str, object]) -> None:
    with pytest.raises(BadRow):
        read_prompt(raw, Columns("prompt"))
