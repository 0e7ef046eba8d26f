"""events.jsonl: one writer, many readers, nothing that a torn or foreign line could break."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irltui.runs.event_lines import as_dict, decode, encode, number
from irltui.runs.events import KINDS, Damaged, Event, Figure, Log, Metrics, RunStart, Sample, Unknown
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.reader import EventReader, read_events
from irltui.runs.writer import RunWriter


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run_folder(tmp_path / "run")


SAMPLES = st.builds(
    Sample,
    st.integers(0, 2**53),
    st.integers(-1, 9),
    st.text(),
    st.text(),
    st.text(),
    st.text(),
    st.booleans(),
    st.integers(0, 99),
    st.none() | st.floats(allow_nan=False),
    st.lists(st.floats(allow_nan=False), max_size=3).map(tuple),
    st.lists(st.text(), max_size=3).map(tuple),
    seq=st.integers(0, 99),
    time=st.floats(0, 1e10),
)


@given(sample=SAMPLES)
def test_what_is_written_is_what_is_read(sample: Sample) -> None:
    line = encode(sample)
    assert line.count(b"\n") == 1
    back = decode(line)
    if _is_unicode(as_dict(sample)):  # lone surrogates come back as they would be escaped
        assert back == sample
    assert type(back) is Sample


def _is_unicode(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind))
def test_every_kind_comes_back_as_its_class(kind: type[Event]) -> None:
    values = {"values": {}} if "values" in kind.__dataclass_fields__ else {}
    event = kind(**values, seq=3, time=1.5)
    assert decode(encode(event)) == event


def test_a_field_that_is_left_out_or_null_has_its_default() -> None:
    assert decode(b'{"seq":1,"time":2,"kind":"run_start","pid":null}') == RunStart(seq=1, time=2.0)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"nonsense", "not a JSON object"),
        (b"[1]", "not a JSON object"),
        (b'{"kind":"log"}', "seq, time or kind is missing"),
        (b'{"seq":true,"time":1,"kind":"log"}', "seq, time or kind is missing"),
        (b'{"seq":1,"time":1,"kind":"log","text":3}', "log: text: not a string"),
        (b'{"seq":1,"time":1,"kind":"metrics"}', "metrics: values is missing"),
        (b'{"seq":1,"time":1,"kind":"metrics","values":{"a":"high"}}', "metrics: values: not a number"),
        (b'{"seq":1,"time":1,"kind":"metrics","values":{},"step":1.5}', "metrics: step: not an integer"),
        (b'{"seq":1,"time":1,"kind":"sample","ended":1}', "sample: ended: neither true nor false"),
        (b'{"seq":1,"time":1,"kind":"evaluation","values":{"q":{"mean":1}}}', "evaluation: values: low is missing"),
        (b'{"seq":1,"time":1,"kind":"data","report":{"rows":[]}}', "data: report: rows: not an integer"),
        (b'{"seq":1,"time":1,"kind":"data","masked":[{"prompt":"x"}]}', "data: masked: prompt: not a list"),
        (b'{"seq":1,"time":1,"kind":"run_start","resumed_seq":%d}' % 10**30, "run_start: resumed_seq: not an integer"),
    ],
)
def test_a_line_that_is_wrong_is_damaged_and_says_where(line: bytes, problem: str) -> None:
    found = decode(line)
    assert isinstance(found, Damaged)
    assert found.problem == problem


def test_what_a_newer_version_adds_is_passed_over_and_counted() -> None:
    line = b'{"seq":1,"time":2,"kind":"log","text":"a","colour":"red"}'
    assert decode(line) == Log("info", "a", seq=1, time=2.0, passed_over=1)
    kind = decode(b'{"seq":0,"time":0,"kind":"hologram","x":1}')
    assert kind == Unknown("hologram", {"x": 1}, seq=0, time=0.0)
    assert as_dict(kind) == {"seq": 0, "time": 0.0, "kind": "hologram", "x": 1}


def test_a_benchmarks_figures_come_back_as_figures() -> None:
    line = b'{"seq":1,"time":1,"kind":"evaluation","values":{"q":{"mean":1,"low":"nan","high":2.5,"n":3}}}'
    figure = decode(line).values["q"]
    assert isinstance(figure, Figure)
    assert (figure.mean, math.isnan(figure.low), figure.high, figure.n) == (1.0, True, 2.5, 3)


@pytest.mark.parametrize(("value", "written"), [(math.nan, "nan"), (math.inf, "inf"), (-math.inf, "-inf")])
def test_a_number_that_is_not_finite_survives(value: float, written: str) -> None:
    line = encode(Metrics({"train/loss": value}, seq=0))
    assert json.loads(line)["values"]["train/loss"] == written
    assert repr(decode(line).values["train/loss"]) == repr(value)


def test_text_is_no_number() -> None:
    assert number("12") is None
    assert number(True) is None
    assert number(2) == 2.0


def test_a_reader_sees_each_event_once_as_it_is_written(run: RunFolder) -> None:
    reader = EventReader(run.events)
    assert reader.poll() == []
    with RunWriter(run, clock=lambda: 7.0) as writer:
        writer.write(Log(text="one"))
        assert [e.text for e in reader.poll()] == ["one"]
        writer.write(Log(text="two"))
        assert [(e.seq, e.time, e.text) for e in reader.poll()] == [(1, 7.0, "two")]
    assert reader.poll() == []
    assert reader.caught_up


def test_a_torn_last_line_waits_for_its_end(run: RunFolder) -> None:
    line = encode(Log(text="whole", seq=0))
    run.events.write_bytes(line[:10])
    reader = EventReader(run.events)
    assert reader.poll() == []
    with run.events.open("ab") as file:
        file.write(line[10:])
    assert [e.text for e in reader.poll()] == ["whole"]


def test_lines_that_are_no_events_are_damaged_and_stop_no_reader(run: RunFolder) -> None:
    good = encode(Log(seq=0))
    run.events.write_bytes(good + b"nonsense\n[1]\n{}\n\xff\xfe\n\n" + b"[" * 100_000 + b"\n" + good)
    found = EventReader(run.events).poll()
    assert [type(event) for event in found] == [Log, *[Damaged] * 5, Log]


def test_a_file_that_was_replaced_is_read_again(run: RunFolder) -> None:
    run.events.write_bytes(b"".join(encode(Log(seq=i)) for i in range(5)))
    reader = EventReader(run.events)
    assert len(reader.poll()) == 5
    run.events.write_bytes(encode(Log(seq=0)))
    assert len(reader.poll()) == 1


def test_a_folder_that_vanishes_is_no_error(run: RunFolder) -> None:
    reader = EventReader(run.events)
    assert reader.poll() == []
    assert reader.caught_up


def test_a_writer_mends_a_torn_line_and_counts_on(run: RunFolder) -> None:
    with RunWriter(run) as writer:
        writer.write(Log(text="one"))
    with run.events.open("ab") as file:
        file.write(b'{"seq":1,"time":')
    with RunWriter(run) as writer:
        writer.write(Log(text="two"))
    reader = EventReader(run.events)
    assert [(e.seq, getattr(e, "text", None)) for e in reader.poll()] == [(0, "one"), (-1, None), (1, "two")]


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
