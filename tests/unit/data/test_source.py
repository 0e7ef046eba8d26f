"""Files as people really have them: odd names, odd types, broken bytes. A row is what the file says."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irltui.config.schema import DataSection
from irltui.data.columns import find_columns
from irltui.data.source import Rows, load_rows
from irltui.errors import DataError

ROWS = [{"prompt": f"p{i}", "completion": f"answer {i}"} for i in range(4)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def rows(path: Path | str, **section: Any) -> Rows:
    return load_rows(DataSection(source=str(path), **section))


def refused(path: Path | str, **section: Any) -> DataError:
    with pytest.raises(DataError) as caught:
        list(rows(path, **section))
    return caught.value


def columns(path: Path | str, **section: Any) -> str:
    chosen = DataSection(source=str(path), **section)
    return str(find_columns(chosen, load_rows(chosen).columns))


@pytest.mark.parametrize("name", ["a[1].jsonl", "a*?.jsonl", "a::b.jsonl", "a b#%20.jsonl", "é.jsonl", "A.JSONL"])
def test_a_file_of_any_name_is_that_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(LINES)
    (tmp_path / "abc.jsonl").write_text(LINES * 2)
    assert list(rows(tmp_path / name)) == ROWS


def test_a_table_whose_name_looks_like_a_pattern_is_that_table(tmp_path: Path) -> None:
    for name, count in (("a[1].parquet", 2), ("a1.parquet", 4)):
        pq.write_table(pa.Table.from_pylist(ROWS[:count]), tmp_path / name)
    assert list(rows(tmp_path / "a[1].parquet")) == ROWS[:2]


@pytest.mark.parametrize("answer", ["2024-01-01", "2024-01-01T00:00:00Z", "007", "1.50", "true", "NaN", "\u2028", "\0"])
def test_answers_that_look_like_another_type_stay_as_they_are(tmp_path: Path, answer: str) -> None:
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({**row, "completion": answer}) + "\n" for row in ROWS))
    (tmp_path / "a.json").write_text(json.dumps([{**row, "completion": answer} for row in ROWS]))
    (tmp_path / "a.csv").write_text("prompt,completion\n" + "".join(f'{r["prompt"]},"{answer}"\n' for r in ROWS))
    for name in ("a.jsonl", "a.json", "a.csv"):
        assert [row["completion"] for row in rows(tmp_path / name)] == [answer] * 4


def test_rows_of_different_types_and_keys_live_in_one_file(tmp_path: Path) -> None:
    mixed = [{"prompt": "a", "completion": 3}, {"prompt": [{"role": "user", "content": "b"}]}, {"note": None}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in mixed))
    found = rows(tmp_path / "a.jsonl")
    assert list(found) == mixed
    assert list(found.columns) == ["prompt", "completion", "note"]


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("\n", "\n\n"), ("\n", "\n  \n")])
def test_line_ends_and_blank_lines_do_not_matter(tmp_path: Path, change: tuple[str, str]) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES.replace(*change).encode())
    assert list(rows(tmp_path / "a.jsonl")) == ROWS


def test_a_byte_order_mark_is_no_part_of_the_first_row(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"\xef\xbb\xbf" + LINES.encode())
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfprompt,completion\np,c\n")
    assert list(rows(tmp_path / "a.jsonl")) == ROWS
    assert list(rows(tmp_path / "a.csv")) == [{"prompt": "p", "completion": "c"}]


@pytest.mark.parametrize("mark", [";", "\t"])
def test_a_csv_of_a_spreadsheet_with_other_marks_is_read(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(f"\ufeffprompt{mark}completion\r\nthe cat?{mark}a dog, red\r\n".encode())
    assert list(load_rows(DataSection(source=str(path)))) == [{"prompt": "the cat?", "completion": "a dog, red"}]


def test_fields_of_a_csv_may_hold_commas_newlines_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text('prompt,completion\n"a,\nb","he said ""no"""\n\nshort\n')
    assert list(rows(tmp_path / "a.csv")) == [
        {"prompt": "a,\nb", "completion": 'he said "no"'},
        {"prompt": "short", "completion": None},
    ]


@pytest.mark.parametrize(
    ("name", "content", "message", "hint"),
    [
        ("a.csv", "prompt,completion\np,a, b\n", "2: 3 fields, but the first line names 2 columns", "Quote fields"),
        ("a.csv", 'prompt,completion\np,"a\nq,b\n', "3: not CSV: unexpected end of data", "Quote fields"),
        ("a.csv", "prompt,prompt\na,b\n", "1: two columns have one name", "first line must name"),
        ("a.json", '[{"prompt": "a"},\n {"prompt": }]', "2: not JSON: Expecting value at character 13", "one list"),
        ("a.jsonl", LINES + '{"prompt"\n', "5: not JSON: Expecting ':' delimiter at character 10 of the line", "Each"),
        ("a.jsonl", "[" * 99_999, "not usable JSON: maximum recursion depth exceeded", "one list of objects"),
    ],
)
def test_a_broken_text_file_is_named_with_its_line(
    tmp_path: Path, name: str, content: str, message: str, hint: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    error = refused(path)
    assert error.message.startswith(f"{path}:")
    assert message in error.message
    assert hint in error.hint


def test_an_item_of_a_json_list_that_is_no_object_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('[{"prompt": "a"}, 3]')
    assert (
        refused(tmp_path / "a.json").message == f"{tmp_path}/a.json: item 2 of the list is a JSON number, not an object"
    )


@pytest.mark.parametrize("content", ["\n \n", "[]", "prompt,completion\n"])
def test_files_without_rows_say_so(tmp_path: Path, content: str) -> None:
    path = tmp_path / ("a.csv" if "," in content else "a.json")
    path.write_text(content)
    assert refused(path).message == f"data.source: {path}: no rows"


def test_a_damaged_table_is_named(tmp_path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:-9])
    (tmp_path / "c.arrow").write_text("nonsense")
    for name in ("b.parquet", "c.arrow"):
        error = refused(tmp_path / name)
        assert error.message.startswith(f"data.source: {tmp_path / name}: cannot be read: ")
        assert error.hint == "Is the file whole?"


def test_a_table_with_text_that_is_not_utf8_is_named_with_the_row(tmp_path: Path) -> None:
    offsets = pa.array([0, 1, 2, 3], pa.int32()).buffers()[1]
    broken = pa.Array.from_buffers(pa.string(), 3, [None, offsets, pa.py_buffer(b"ab\xe9")])
    pq.write_table(pa.table({"prompt": ["a", "b", "c"], "completion": broken}), tmp_path / "a.parquet")
    assert refused(tmp_path / "a.parquet").message == f"{tmp_path}/a.parquet: row 3: text that is not UTF-8"


def test_the_split_of_a_saved_data_set_is_taken_or_named(tmp_path: Path) -> None:
    table = datasets.Dataset.from_list(ROWS)
    datasets.DatasetDict({"train": table, "test": table.select([1])}).save_to_disk(tmp_path / "saved")
    assert list(rows(tmp_path / "saved", split="test")) == ROWS[1:2]
    error = refused(tmp_path / "saved", split="dev")
    assert error.message == f"data.split: 'dev' is not in {tmp_path}/saved (splits: train, test)"


@pytest.mark.parametrize("name", ["a\0b", "x" * 5000, "~nobody-of-that-name/x.jsonl", "/dev/null", "json", "csv"])
def test_a_name_that_cannot_be_one_is_refused(name: str) -> None:
    assert refused(name).message.startswith(f"data.source: {name}: ")


def test_a_name_without_its_suffix_is_met_with_the_file_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "demos.jsonl").write_text(LINES)
    assert refused(tmp_path / "demos").hint == f"Did you mean {tmp_path}/demos.jsonl?"


def test_local_files_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "tmp").mkdir()
    (tmp_path / "a.jsonl").write_text(LINES)
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "a.parquet")
    for name in ("a.jsonl", "a.parquet"):
        found = rows(tmp_path / name)
        assert not list((tmp_path / "tmp").iterdir())
        assert found[3] == ROWS[3]


@pytest.mark.parametrize(
    ("names", "split", "taken", "left_out"),
    [
        (["train.jsonl", "test.jsonl", "dataset_infos.json"], "train", ["train.jsonl"], ["test.jsonl"]),
        (["train.jsonl", "test.jsonl"], "test", ["test.jsonl"], ["train.jsonl"]),
        (["my_train-00000-of-00002.jsonl", "my_train-00001-of-00002.jsonl", "dev.jsonl"], "train", None, ["dev.jsonl"]),
        (
            ["data/train-0.jsonl", "data/validation-0.jsonl"],
            "train",
            ["data/train-0.jsonl"],
            ["data/validation-0.jsonl"],
        ),
        (["train/a.jsonl", "test/a.jsonl"], "train", ["train/a.jsonl"], ["test/a.jsonl"]),
        (["demos.jsonl", "test.jsonl"], "train", ["demos.jsonl"], ["test.jsonl"]),
        (["train.jsonl", "extra.jsonl"], "train", ["train.jsonl"], ["extra.jsonl"]),
        (["a.jsonl", "latest.jsonl", "contest.jsonl"], "train", None, []),
    ],
)
def test_files_named_after_splits_are_splits(
    tmp_path: Path, names: list[str], split: str, taken: list[str] | None, left_out: list[str]
) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps({"prompt": name, "completion": "x"}) + "\n")
    found = rows(tmp_path, split=split)
    data = [name for name in names if name != "dataset_infos.json"]
    assert [row["prompt"] for row in found] == (sorted(set(data) - set(left_out)) if taken is None else taken)
    assert list(found.left_out) == left_out


def test_a_split_that_no_file_has_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    for name in ("test", "dev"):
        (tmp_path / f"{name}.jsonl").write_text(LINES)
    error = refused(tmp_path)
    assert "no file of" in error.message
    assert "(splits by their names: test, validation)" in error.message


def test_a_file_that_changed_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    for count in (2, 4):
        pq.write_table(pa.Table.from_pylist(ROWS[:count]), path)
        assert len(rows(path)) == count


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["instruction", "output"], "prompts from 'instruction', completions from 'output'"),
        (["question", "answer", "messages"], "prompts from 'question', completions from 'answer'"),
        (["prompt", "messages"], "messages from 'messages'"),
        (["id", "conversations"], "messages from 'conversations'"),
        (["prompt", "chosen", "rejected"], "prompts from 'prompt', completions from 'chosen'"),
    ],
)
def test_usual_column_names_are_found(tmp_path: Path, names: list[str], expected: str) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps(dict.fromkeys(names, "x")) + "\n")
    assert columns(tmp_path / "a.jsonl") == expected


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"completion": "answer"}, 'data.columns.completion: column "answer" not found in', '= "completion".'),
        ({"prompt": "off"}, 'data.columns.prompt: column "off" not found in', '= "prompt".'),
        ({"system": "sys"}, 'data.columns.system: column "sys" not found in', "Set data.columns.system"),
        ({"prompt": "completion"}, 'data.columns: prompt and completion are both "completion"', "two columns"),
        ({"prompt": "prompt", "messages": "prompt"}, "data.columns: messages beside prompt", "Name messages"),
    ],
)
def test_wrong_columns_are_named(tmp_path: Path, options: dict[str, str], message: str, hint: str) -> None:
    (tmp_path / "a.jsonl").write_text(LINES)
    with pytest.raises(DataError) as caught:
        columns(tmp_path / "a.jsonl", columns=options)
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


def test_a_csv_without_a_header_does_not_fill_the_screen(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("word " * 5000 + ",answer text\nmore,text\n")
    with pytest.raises(DataError) as caught:
        columns(tmp_path / "a.csv")
    assert len(caught.value.message) < 500


def test_columns_nobody_asked_for_are_not_decoded(tmp_path: Path) -> None:
    table = datasets.Dataset.from_list([{**row, "picture": {"bytes": b"junk", "path": None}} for row in ROWS])
    table = table.cast(datasets.Features({**table.features, "picture": datasets.Image(decode=False)}))
    table.save_to_disk(tmp_path / "saved")
    assert list(rows(tmp_path / "saved").only(["prompt", "completion"])) == ROWS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(written=st.lists(st.dictionaries(st.text(min_size=1, max_size=4), JSON, min_size=1, max_size=4), min_size=1))
def test_any_json_rows_come_back_as_written(tmp_path_factory: pytest.TempPathFactory, written: list[Any]) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in written))
    (folder / "a.json").write_text(json.dumps(written))
    for name in ("a.jsonl", "a.json"):
        assert list(rows(folder / name)) == written


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a full disk: what would make a file larger fails with an OSError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_temporary_folder_is_named_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(LINES * 500)
    with files_of_at_most(4096):
        error = refused(tmp_path / "a.jsonl")
    assert "File too large" in error.message
    assert "TMPDIR" in error.hint


@pytest.mark.parametrize(
    ("name", "text", "message", "hint"),
    [
        ("a.jsonl.gz", "x", "compressed", "gunzip --keep"),
        ("a.jsonl", "version https://git-lfs.github.com/spec/v1\n", "not JSON", "git lfs pull"),
        ("a.jsonl", "<!DOCTYPE html>\n", "not JSON", "a web page"),
        ("a.jsonl", '{\n  "prompt": "a",\n  "completion": "b"\n}\n{\n}\n', "not JSON", "jq -c ."),
        ("a.jsonl", '{"prompt": "a", "completion": "b"},\n{"prompt": "a"},\n', "not JSON", "end with a comma"),
        ("a.jsonl", "{'prompt': 'a', 'completion': 'b'}\n", "not JSON", "json.dumps"),
        ("a.json", '{"prompt": ["a", "b"], "completion": ["c", "d"]}', "a list for each column", "transpose"),
        ("a.jsonl", '{"text": "USER a ASSISTANT b"}\n' * 3, "holds whole texts", "Split each text"),
    ],
)
def test_what_a_file_is_instead_of_rows_is_said(name: str, text: str, message: str, hint: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        columns_of(path)
    assert hint in caught.value.hint


def columns_of(path: Path) -> str:
    chosen = DataSection(source=str(path))
    found = load_rows(chosen)
    return str(find_columns(chosen, found.columns, found.first(9)))


def test_tabs_separate_the_columns_of_a_tsv_file(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("prompt\tcompletion, as said\nthe cat, a?\ta dog\n")
    assert list(load_rows(DataSection(source=str(path)))) == [{"prompt": "the cat, a?", "completion, as said": "a dog"}]


def test_names_of_columns_are_known_in_any_case(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("Instruction,RESPONSE,Label\na,b,True\nc,d,False\n")
    assert columns_of(path) == "prompts from 'Instruction', completions from 'RESPONSE'"
    path.write_text("prompt,completion,label\na,b,True\nc,d,False\n")
    assert columns_of(path).endswith("no rows whose 'label' is false")
