"""Files of benchmarks: what is read from them, under which names, and what is said of bad ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from irltui.benchmarks import HeldoutNll, LogprobGap, Planted
from irltui.benchmarks.reading import read_answers, read_marked, read_preferences
from irltui.errors import DataError

PAIR = {"prompt": "Who?", "chosen": "I.", "rejected": "You."}


def write(path: Path, *rows: dict[str, Any]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def pairs(file: str, **options: Any) -> LogprobGap:
    return LogprobGap(kind="logprob_gap", data=file, **options)


def answers(file: str, **options: Any) -> HeldoutNll:
    return HeldoutNll(kind="heldout_nll", data=file, **options)


def planted(file: str, **options: Any) -> Planted:
    return Planted(kind="planted", data=file, **options)


def test_items_keep_their_names_when_rows_move_and_repetitions_count_once(tmp_path: Path) -> None:
    other = {**PAIR, "prompt": "What?"}
    first = read_preferences(pairs(write(tmp_path / "a.jsonl", PAIR, other, PAIR)))
    second = read_preferences(pairs(write(tmp_path / "b.jsonl", other, {**PAIR, "note": 1})))
    assert len(first) == 2
    assert {pair.item for pair in first} == {pair.item for pair in second}
    assert first[0].prompt == "Who?"


def test_whole_conversations_bring_their_prompt_with_them(tmp_path: Path) -> None:
    asked = [{"role": "user", "content": "Who?"}]
    row = {
        "chosen": [*asked, {"role": "assistant", "content": "I."}],
        "rejected": [*asked, {"role": "assistant", "content": "You."}],
    }
    (pair,) = read_preferences(pairs(write(tmp_path / "a.jsonl", row)))
    assert (pair.prompt, pair.chosen, pair.rejected) == ("Who?", "I.", "You.")
    plain = read_preferences(pairs(write(tmp_path / "b.jsonl", PAIR)))
    assert pair.item == plain[0].item


def test_a_prompt_of_several_messages_stays_a_conversation(tmp_path: Path) -> None:
    prompt = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello"},
        {"role": "user", "content": "Who?"},
    ]
    (item,) = read_answers(answers(write(tmp_path / "a.jsonl", {"prompt": prompt, "response": "I."})))
    assert item.prompt == prompt
    assert item.answer == "I."


def test_other_columns_can_be_named(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", {"q": "Who?", "good": "I.", "worse": "You."})
    (pair,) = read_preferences(pairs(file, prompt="q", chosen="good", rejected="worse"))
    assert pair.chosen == "I."
    (item,) = read_answers(answers(file, prompt="q", completion="good"))
    assert item.answer == "I."


@pytest.mark.parametrize(
    ("row", "options", "message"),
    [
        ({"prompt": "a", "chosen": "b"}, {}, 'rejected: column "rejected" not found in'),
        ({"prompt": "a", "chosn": "b", "rejected": "c"}, {}, 'Set chosen = "chosn".'),
        (PAIR, {"prompt": "question"}, 'prompt: column "question" not found in'),
        ({"chosen": "a", "rejected": "b"}, {}, "prompt: no prompt column found in"),
        ({**PAIR, "chosen": None}, {}, "row 1: chosen: completion is null"),
        ({**PAIR, "rejected": " "}, {}, "row 1: rejected: empty completion"),
        ({**PAIR, "rejected": "I."}, {}, "row 1: chosen and rejected are the same"),
        ({**PAIR, "prompt": 3}, {}, "row 1: chosen: prompt is a number, neither text nor a list of messages"),
        (
            {
                "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
                "rejected": [{"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}],
            },
            {},
            "row 1: chosen and rejected have different prompts",
        ),
    ],
)
def test_bad_pairs_are_named_with_their_place(
    tmp_path: Path, row: dict[str, Any], options: dict[str, str], message: str
) -> None:
    with pytest.raises(DataError) as told:
        read_preferences(pairs(write(tmp_path / "a.jsonl", row), **options))
    assert message in str(told.value)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "the file is empty"),
        ("{\n", ":1: not JSON"),
        ("[1]", "item 1 of the list is a JSON number"),
        ('{"prompt": "a", "completion": "b"}\n{"prompt": "a", "completion": null}\n', "row 2: completion is null"),
        ('{"prompt": "a", "reply": "b"}\n', "completion: no column of a usual name"),
    ],
)
def test_bad_files_of_answers_are_named_with_their_place(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(content)
    with pytest.raises(DataError) as told:
        read_answers(answers(str(file)))
    assert message in str(told.value)
    assert "data.columns" not in str(told.value)


def test_a_file_that_is_not_there_is_named_with_one_that_is(tmp_path: Path) -> None:
    write(tmp_path / "pairs.jsonl", PAIR)
    with pytest.raises(DataError) as told:
        read_preferences(pairs(str(tmp_path / "pair.jsonl")))
    assert "data: " in told.value.message
    assert "pairs.jsonl" in told.value.hint


@pytest.mark.parametrize("mark", [True, 1, "true", "Yes", 1.0])
def test_marks_may_be_written_in_several_ways(tmp_path: Path, mark: Any) -> None:
    row = {"prompt": "a", "completion": "b"}
    file = write(tmp_path / "a.jsonl", {**row, "bad": mark}, {**row, "completion": "c", "bad": False})
    assert read_marked(planted(file))[1] == [True, False]


@pytest.mark.parametrize(
    ("marks", "message"),
    [
        ((True, "perhaps"), "row 2: bad is 'perhaps', neither true nor false"),
        ((True, None), "row 2: bad is None"),
        ((False, False), "marks all 2 rows as good"),
        ((True, True), "marks all 2 rows as bad"),
    ],
)
def test_marks_that_cannot_be_used_are_an_error(tmp_path: Path, marks: tuple[Any, ...], message: str) -> None:
    rows = [{"prompt": "a", "completion": str(i), "bad": mark} for i, mark in enumerate(marks)]
    with pytest.raises(DataError) as told:
        read_marked(planted(write(tmp_path / "a.jsonl", *rows)))
    assert message in str(told.value)


def test_a_missing_column_of_marks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match='bad: column "bad" not found'):
        read_marked(planted(write(tmp_path / "a.jsonl", {"prompt": "a", "completion": "b"})))


def test_the_embedded_rows_are_fresh_prompts_with_good_and_bad_answers() -> None:
    from irltui.quickstart.grammar import is_reserved, quality

    found = read_preferences(pairs("quickstart"))
    assert len(found) == 200
    assert all(is_reserved(str(pair.prompt)) for pair in found)
    assert all(quality(str(pair.prompt), pair.chosen) == 1 for pair in found)
    assert len(read_preferences(pairs("quickstart", limit=7))) == 7
    items, marks = read_marked(planted("quickstart"))
    assert sum(marks) == 50
    assert all((quality(str(i.prompt), i.answer) == 1) != bad for i, bad in zip(items, marks, strict=True) if not bad)
