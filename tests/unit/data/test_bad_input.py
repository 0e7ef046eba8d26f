"""What a user is told when the demonstrations cannot be used: file, line, key, and what to do."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from irltui.config.schema import DataSection
from irltui.data import source
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.data.template import PromptTemplate, eos_ids
from irltui.errors import DataError, ModelError
from support import tiny

GOOD = [{"prompt": f"the cat {word}?", "completion": "the sun"} for word in tiny.WORDS[:6]]


def load(path: Path | str, **section: Any) -> DemonstrationData:
    tokenizer = section.pop("tokenizer", None) or tiny.tokenizer()
    return load_demonstrations(DataSection(source=str(path), **section), tokenizer, frozenset({2}))


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def refused(path: Path | str, **section: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        load(path, **section)
    assert caught.value.exit_code == 2
    return caught.value


def test_a_missing_file_is_named_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "demos.jsonl", GOOD)
    error = refused(tmp_path / "demo.jsonl")
    assert error.message == f"data.source: {tmp_path}/demo.jsonl: no such file"
    assert error.hint == f"Did you mean {tmp_path}/demos.jsonl?"


def test_a_name_that_is_like_another_in_its_ending_alone_is_not_meant(tmp_path: Path) -> None:
    write(tmp_path / "pairs.jsonl", GOOD)
    assert refused(tmp_path / "nope.jsonl").hint == "Give a local file or a hub name."


def test_a_file_that_may_not_be_read_is_no_lack_of_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: Path) -> Iterator[Any]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(source, "read_text_file", refuse)  # no permission stops root, this does
    assert refused(write(tmp_path / "a.jsonl", GOOD)).hint == "Have its owner allow it."


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").touch()
    assert refused(tmp_path / "a.jsonl").message == f"{tmp_path}/a.jsonl: the file is empty"


def test_a_line_that_is_not_json_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOOD)
    path.write_text(path.read_text() + '{"prompt": "the", \n', encoding="utf-8")
    assert refused(path).message.startswith(f"{path}:7: not JSON: ")


def test_a_line_that_is_no_object_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*GOOD, ["the", "cat"]])
    assert refused(path).message == f"{path}:7: a JSON list, not an object"


def test_a_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOOD)
    path.write_bytes(path.read_bytes() + b'{"prompt": "caf\xe9", "completion": "the"}\n')
    error = refused(path)
    assert error.message == f"{path}:7: not UTF-8 at byte 16 of the line"
    assert "iconv" in error.hint


@pytest.mark.parametrize(
    ("encoding", "found"),
    [("cp1252", "iconv -f cp1252 -t utf-8"), ("utf-16", "iconv -f utf-16 -t"), ("utf-16le", "iconv -f utf-16le -t")],
)
def test_a_file_in_another_encoding_says_how_to_convert_it(tmp_path: Path, encoding: str, found: str) -> None:
    (tmp_path / "a.csv").write_bytes("prompt,completion\nthe cat,\u201cthe sun\u201d\n".encode(encoding))
    error = refused(tmp_path / "a.csv")
    assert found in error.hint
    assert encoding != "cp1252" or "\u201cthe sun\u201d" in error.hint


def test_a_document_that_is_one_object_around_its_rows_is_met_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"version": "1", "data": GOOD}, indent=2))
    error = refused(tmp_path / "a.json")
    assert error.message == f'{tmp_path}/a.json: one object whose "data" holds a list of 6 rows'
    assert "jq -c '.data[]'" in error.hint


def test_a_csv_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"prompt,completion\nthe cat,the sun\ncaf\xe9,the moon\n")
    assert refused(path).message == f"{path}:3: not UTF-8 at byte 4 of the line"


def test_a_value_of_another_type_than_the_rest_is_one_bad_row(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*GOOD, {"prompt": "the", "completion": 3}])
    assert load(path).report.dropped["completion is a number, not text"].rows == [7]


def test_missing_columns_are_named_with_those_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"prompt": "the", "reply": "cat"}] * 2)
    error = refused(path)
    assert error.message == (
        "data.columns.completion: no column of a usual name (completion, response, answer, output, chosen) "
        f"in {path} (columns: prompt, reply)"
    )
    assert error.hint == 'Set data.columns.completion = "reply", or let `irltui init` look at the data.'


def test_a_column_of_ids_is_not_suggested(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"message_id": "m1", "said": "the cat"}] * 2)
    assert 'data.columns.prompt = "said"' in refused(path).hint


def test_a_named_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", GOOD)
    error = refused(path, columns={"completion": "answer"})
    expected = f'data.columns.completion: column "answer" not found in {path} (columns: prompt, completion)'
    assert error.message == expected


def test_unknown_kinds_of_file_and_mixed_folders_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("hello")
    assert "is of no known kind (.txt)" in refused(tmp_path / "a.txt").message
    (tmp_path / "demos").write_text("hello")
    assert "is of no known kind (its name has no ending)" in refused(tmp_path / "demos").message
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "holds no data files" in refused(folder).message
    write(folder / "a.jsonl", GOOD)
    (folder / "b.csv").write_text("prompt,completion\na,b\n")
    assert "holds files of several kinds: .csv, .jsonl" in refused(folder).message


def test_a_name_that_is_no_file_and_that_no_hub_gives_says_both(tmp_path: Path) -> None:
    error = refused("nobody/nothing-of-that-name")
    assert "neither a local file nor a data set" in error.message


def test_null_empty_and_mistyped_rows_are_dropped_and_counted_with_their_numbers(tmp_path: Path) -> None:
    bad = [
        {"prompt": None, "completion": "the"},
        {"prompt": "the", "completion": None},
        {"prompt": "  ", "completion": "the"},
        {"prompt": "the", "completion": ""},
    ]
    report = load(write(tmp_path / "a.jsonl", [*GOOD, *bad])).report
    assert {reason: tally.rows for reason, tally in report.dropped.items()} == {
        "prompt is null": [7],
        "completion is null": [8],
        "empty prompt": [9],
        "empty completion": [10],
    }
    assert report.rows == 10
    assert report.train + report.held_out == 6


def test_mostly_bad_rows_stop_the_run_with_reasons_and_row_numbers(tmp_path: Path) -> None:
    bad = [{"prompt": "the", "completion": ""}] * 7
    error = refused(write(tmp_path / "a.jsonl", [*GOOD, *bad]))
    assert "7 of 13 rows are bad" in error.message
    assert "empty completion: 7 (rows 7, 8, 9, 10, 11, ...)" in error.message


def test_no_row_left_stops_the_run_with_reasons(tmp_path: Path) -> None:
    error = refused(write(tmp_path / "a.jsonl", GOOD), max_response_tokens=1)
    assert "none of 6 rows can be used" in error.message
    assert "response over 1 tokens: 6" in error.message


def test_overlong_rows_are_an_error_where_the_policy_says_so(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*GOOD, {"prompt": "the", "completion": "the cat sees the dog"}])
    error = refused(path, overlong="error", max_response_tokens=4)
    assert error.message == f"{path}: row 7: response of 6 tokens, over data.max_response_tokens = 4"


def test_a_tokenizer_without_a_chat_template_is_refused_with_advice(tmp_path: Path) -> None:
    error = refused(write(tmp_path / "a.jsonl", GOOD), tokenizer=tiny.tokenizer(chat=False))
    assert error.message == "data.template: the tokenizer has no chat template"
    assert 'data.template = "none"' in error.hint


def test_a_tokenizer_without_an_end_token_is_refused() -> None:
    with pytest.raises(ModelError, match="no end-of-sequence token"):
        PromptTemplate(_without_eos(), eos_ids(_without_eos(), None), "none")


def _without_eos() -> Any:
    tokenizer = tiny.tokenizer(chat=False)
    tokenizer.eos_token = None
    return tokenizer


def test_a_conversation_without_a_template_is_refused_with_advice(tmp_path: Path) -> None:
    rows = [{"prompt": [{"role": "user", "content": "the"}] * 2, "completion": "cat"}] * 3
    error = refused(write(tmp_path / "a.jsonl", rows), template="none")
    assert error.message == f"{tmp_path}/a.jsonl: row 1: a conversation needs a chat template"
    assert "Jinja file" in error.hint


def test_conversations_of_the_wrong_shape_are_counted_by_reason(tmp_path: Path) -> None:
    def conversation(*turns: tuple[str, str]) -> dict[str, Any]:
        return {"messages": [{"role": role, "content": content} for role, content in turns]}

    good = [conversation(("user", f"the {word}"), ("assistant", "sun")) for word in tiny.WORDS[:8]]
    bad = [
        conversation(("user", "the"), ("user", "cat")),
        conversation(("assistant", "cat")),
        conversation(("robot", "cat"), ("assistant", "dog")),
        conversation(),
    ]
    dropped = load(write(tmp_path / "a.jsonl", [*good, *bad])).report.dropped
    assert set(dropped) == {
        "conversation ends with a user message, not the assistant's",
        "empty prompt",
        'unknown role "robot" (known: user, assistant, system, tool, human, gpt)',
        "empty conversation",
    }


def test_a_huge_row_is_dropped_like_any_other_overlong_one(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [*GOOD, {"prompt": "the", "completion": " cat" * 200_000, "x": "y" * 10**7}])
    assert load(path).report.dropped["response over 512 tokens"].rows == [7]


VALUES = st.one_of(
    st.none(), st.text(max_size=8), st.integers(), st.booleans(), st.lists(st.text(max_size=3), max_size=2)
)
ROWS = st.lists(
    st.dictionaries(st.sampled_from(["prompt", "completion", "messages", "x"]), VALUES, max_size=3), max_size=6
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=ROWS)
def test_any_rows_either_load_with_counts_that_add_up_or_give_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any]
) -> None:
    path = write(tmp_path_factory.mktemp("fuzz") / "a.jsonl", rows)
    try:
        report = load(path).report
    except DataError:
        return
    assert report.rows == len(rows)
    assert report.train + report.held_out + sum(t.count for t in report.dropped.values()) == report.rows


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=200))
def test_any_bytes_either_load_or_give_a_data_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    for suffix in (".jsonl", ".csv", ".parquet"):
        path = tmp_path_factory.mktemp("fuzz") / f"a{suffix}"
        path.write_bytes(content)
        with contextlib.suppress(DataError):
            load(path)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), suffix=st.sampled_from([".csv", ".json", ".jsonl", ".parquet"]))
def test_a_file_with_bytes_changed_either_loads_or_gives_a_data_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, suffix: str
) -> None:
    folder = tmp_path_factory.mktemp("fuzz")
    path, frame = folder / f"a{suffix}", pandas.DataFrame(GOOD)
    match suffix:
        case ".csv":
            frame.to_csv(path, index=False)
        case ".parquet":
            frame.to_parquet(path)
        case _:
            frame.to_json(path, orient="records", lines=suffix == ".jsonl")
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), min_size=1, max_size=6)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with contextlib.suppress(DataError):
        load(path)
