"""events.jsonl: one writer, many readers, nothing that a torn or foreign line could break."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irltui.runs.events import Event, Kind, decode, encode, number
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.reader import EventReader, read_events
from irltui.runs.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "run")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = st.text(min_size=1).filter(lambda name: name not in {"seq", "time", "kind"})


@given(fields=st.dictionaries(NAMES, JSON, max_size=4))
def test_what_is_written_is_what_is_read(fields: dict[str, object]) -> None:
    line = encode(Event(3, 1.5, "metrics", fields))
    assert line.count(b"\n") == 1
    back = decode(line)
    assert (back.seq, back.time, back.kind) == (3, 1.5, "metrics")
    if _is_unicode(fields):  # lone surrogates come back as they would be escaped
        assert back.fields == fields


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize(("value", "written"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_a_number_that_is_not_finite_survives(value: float, written: str) -> None:
    back = decode(encode(Event(0, 0.0, "metrics", {"values": {"train/loss": value}})))
    assert back.fields["values"]["train/loss"] == written
    assert repr(number(written)) == repr(value)


def test_text_is_no_number() -> None:
    assert number("12") is None
    assert number(True) is None
    assert number(2) == 2.0


def test_a_reader_sees_each_event_once_as_it_is_written(run: RunFolder) -> None:
    reader = EventReader(run.events)
    assert reader.poll() == []
    with RunWriter(run, clock=lambda: 7.0) as writer:
        writer.write(Kind.LOG, level="info", text="one")
        assert [e.fields["text"] for e in reader.poll()] == ["one"]
        writer.write(Kind.LOG, level="info", text="two")
        assert [(e.seq, e.time, e.fields["text"]) for e in reader.poll()] == [(1, 7.0, "two")]
    assert reader.poll() == []
    assert reader.caught_up


def test_a_torn_last_line_waits_for_its_end(run: RunFolder) -> None:
    line = encode(Event(0, 0.0, "log", {"text": "whole"}))
    run.events.write_bytes(line[:10])
    reader = EventReader(run.events)
    assert reader.poll() == []
    with run.events.open("ab") as file:
        file.write(line[10:])
    assert [e.fields["text"] for e in reader.poll()] == ["whole"]
    assert reader.malformed == 0


def test_lines_that_are_no_events_are_counted_and_passed_over(run: RunFolder) -> None:
    good = encode(Event(0, 0.0, "log", {}))
    run.events.write_bytes(good + b"nonsense\n[1]\n{}\n\xff\xfe\n\n" + b"[" * 100_000 + b"\n" + good)
    reader = EventReader(run.events)
    assert len(reader.poll()) == 2
    assert reader.malformed == 5


def test_a_kind_of_a_newer_irltui_is_an_event_like_any_other(run: RunFolder) -> None:
    run.events.write_bytes(encode(Event(0, 0.0, "hologram", {"x": 1})))
    assert read_events(run.events)[0].kind == "hologram"


def test_a_file_that_was_replaced_is_read_again(run: RunFolder) -> None:
    run.events.write_bytes(b"".join(encode(Event(i, 0.0, "log", {})) for i in range(5)))
    reader = EventReader(run.events)
    assert len(reader.poll()) == 5
    run.events.write_bytes(encode(Event(0, 0.0, "log", {})))
    assert len(reader.poll()) == 1


def test_a_folder_that_vanishes_is_no_error(run: RunFolder) -> None:
    reader = EventReader(run.events)
    assert reader.poll() == []
    assert reader.caught_up


def test_a_writer_mends_a_torn_line_and_counts_on(run: RunFolder) -> None:
    with RunWriter(run) as writer:
        writer.write(Kind.LOG, text="one")
    with run.events.open("ab") as file:
        file.write(b'{"seq":1,"time":')
    with RunWriter(run) as writer:
        writer.write(Kind.LOG, text="two")
    reader = EventReader(run.events)
    assert [(e.seq, e.fields["text"]) for e in reader.poll()] == [(0, "one"), (1, "two")]
    assert reader.malformed == 1


def test_status_is_replaced_at_most_twice_a_second_but_at_once_when_asked(run: RunFolder) -> None:
    now = [100.0]
    with RunWriter(run, clock=lambda: now[0]) as writer:
        writer.status(step=1)
        writer.status(step=2)
        assert json.loads(run.status.read_text())["step"] == 1
        now[0] += 1
        writer.status(step=3)
        assert json.loads(run.status.read_text())["step"] == 3
        writer.status(now=True, step=4)
        assert json.loads(run.status.read_text())["step"] == 4


@settings(max_examples=50, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_can_be_read(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "events.jsonl"
    path.write_bytes(content)
    read_events(path)
