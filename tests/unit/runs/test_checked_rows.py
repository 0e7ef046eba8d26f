"""Finished files of lines, compressed: whole or absent, the same lines, no line twice."""

from __future__ import annotations

import errno
import gzip
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irltui.api import Generation
from irltui.errors import RunFolderError
from irltui.runs import checked_rows, durable
from irltui.runs.checked_rows import pack, packed, read_packed
from irltui.samplers.store import ReferenceScore, SampleStore, pack_before, pack_iteration

ONE = Generation("a", (5, 2), (-0.1, -2.5), ended=True)
TWO = Generation("b", (7,), (-1.25,), ended=False)


def test_a_packed_file_has_the_same_lines_and_its_bytes_do_not_depend_on_the_time(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).write_bytes(b"first\nsecond\n")
        pack(tmp_path / name)
        assert not (tmp_path / name).exists()
    assert list(read_packed(packed(tmp_path / "one"))) == [b"first\n", b"second\n"]
    assert packed(tmp_path / "one").read_bytes() == packed(tmp_path / "two").read_bytes()
    assert gzip.decompress(packed(tmp_path / "one").read_bytes()) == b"first\nsecond\n"


def test_killed_before_the_plain_file_was_removed_no_line_comes_twice(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\n")
    shutil.copy(path, tmp_path / "left")
    pack(path)
    (tmp_path / "left").rename(path)
    with path.open("ab") as file:
        file.write(b"second\n")
    pack(path)
    assert list(read_packed(packed(path))) == [b"first\n", b"second\n"]


def test_without_room_the_plain_file_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\n")

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(durable.os, "fsync", refuse)
    with pytest.raises(OSError, match="no space left"):
        pack(path)
    assert [file.name for file in tmp_path.iterdir()] == ["lines"]
    assert path.read_bytes() == b"first\n"


def test_what_a_kill_left_of_an_earlier_attempt_is_cleared_away(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"first\n")
    (tmp_path / ".lines.gz.0a1b.tmp").write_bytes(b"half")
    pack(path)
    assert [file.name for file in tmp_path.iterdir()] == ["lines.gz"]


def test_generations_are_read_alike_whether_packed_or_not_and_added_to(tmp_path: Path) -> None:
    store = SampleStore(tmp_path, "0000")
    store.add_generations([ONE], ["text"])
    store.add_reference([ReferenceScore("a", -1.5, -2.5)])
    before = dict(store.generations), dict(store.reference)
    pack_iteration(tmp_path, 0)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["0000.jsonl.gz", "0000.reference.jsonl.gz"]
    again = SampleStore(tmp_path, "0000")
    assert (again.generations, again.reference) == before
    again.add_generations([TWO], ["more"])
    pack_iteration(tmp_path, 0)
    assert list(SampleStore(tmp_path, "0000").generations) == ["a", "b"]


def test_iterations_before_the_present_one_are_packed_and_no_other_file_is(tmp_path: Path) -> None:
    names = ["0001.jsonl", "0001.reference.jsonl", "0002.jsonl", "reference.jsonl", "10000.jsonl"]
    for name in names:
        (tmp_path / name).write_bytes(b"")
    pack_before(tmp_path, 2)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        ["0001.jsonl.gz", "0001.reference.jsonl.gz", *names[2:]]
    )


HARMS = [lambda b: b"", lambda b: b[: len(b) // 2], lambda b: b[:20] + b"\xff" + b[21:], lambda b: b"x" + b]


@pytest.mark.parametrize("harm", HARMS)
def test_a_damaged_packed_file_is_refused_by_name(tmp_path: Path, harm) -> None:
    SampleStore(tmp_path, "0000").add_generations([ONE], ["text"])
    pack_iteration(tmp_path, 0)
    file = tmp_path / "0000.jsonl.gz"
    file.write_bytes(harm(file.read_bytes()))
    with pytest.raises(RunFolderError, match=r"0000\.jsonl\.gz:0: damaged") as caught:
        SampleStore(tmp_path, "0000")
    assert "samples this iteration again" in caught.value.hint


@given(values=st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=5))
def test_log_probabilities_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, values: list[float]
) -> None:
    folder = tmp_path_factory.mktemp("samples")
    store = SampleStore(folder, "0000")
    store.add_generations([Generation("a", (1,) * len(values), tuple(values), ended=False)], ["x"])
    assert store.generations["a"].logprobs == tuple(values)
    assert SampleStore(folder, "0000").generations == store.generations


def test_a_compressed_line_without_an_end_does_not_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checked_rows, "LONGEST_LINE", 1_000)
    path = tmp_path / "0000.jsonl"
    packed(path).write_bytes(gzip.compress(b"x" * 999 + b"\n" + b"a" * 10_000_000))
    with pytest.raises(ValueError, match="a line without an end"):
        list(read_packed(packed(path)))
