"""The one reading of events: what they add up to, what a resume makes void, and what damage does not do."""

from __future__ import annotations

import json
import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irltui.runs.data_report import DataReport
from irltui.runs.event_lines import decode
from irltui.runs.events import (
    ASKED,
    KINDS,
    Advice,
    Alert,
    Control,
    Damaged,
    Data,
    Evaluation,
    Event,
    Metrics,
    PhaseProgress,
    RunEnd,
    RunStart,
    Sample,
    Unknown,
)
from irltui.runs.history import RunHistory, that_count


def history(*events: Event) -> RunHistory:
    found = RunHistory()
    found.take(events)
    return found


def metrics(seq: int, step: int, **values: float) -> Metrics:
    named = {name.replace("_", "/", 1): value for name, value in values.items()}
    return Metrics(named, step, 0, step, step * 10, float(step), seq=seq, time=100.0 + seq)


def start(seq: int, **given: Any) -> RunStart:
    return RunStart(7, "box", "irft", 40, 4, seq=seq, time=100.0 + seq, **given)


def sample(seq: int, t: int, prompt_id: str = "p", **given: Any) -> Sample:
    return Sample(outer_iteration=t, prompt_id=prompt_id, seq=seq, time=100.0 + seq, **given)


def test_metrics_become_series_over_steps_tokens_and_seconds() -> None:
    found = history(metrics(0, 1, train_loss=0.7), metrics(1, 2, train_loss=0.6, reward_gap=0.1))
    loss = found.metrics["train/loss"]
    assert list(loss.values) == [0.7, 0.6]
    assert [found.rows.step[row] for row in loss.rows] == [1, 2]
    assert [found.rows.tokens[row] for row in loss.rows] == [10, 20]
    assert [found.rows.elapsed[row] for row in found.metrics["reward/gap"].rows] == [2.0]
    assert (found.step, found.elapsed) == (2, 2.0)
    assert (found.first("train/loss"), found.last("train/loss")) == (0.7, 0.6)
    assert math.isnan(found.last("no/metric"))


def test_numbers_that_are_not_finite_are_kept() -> None:
    found = history(
        metrics(0, 1, train_loss=math.nan), metrics(1, 2, train_loss=-math.inf), metrics(2, 3, train_loss=0.5)
    )
    values = list(found.metrics["train/loss"].values)
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, 0.5]


RESUMED = (
    start(0),
    metrics(1, 1, train_loss=0.7),
    sample(2, -1),
    metrics(3, 2, train_loss=math.nan, reward_gap=1.0),
    sample(4, 0),
    Alert(2, "warning", "x", "y", seq=5, time=105.0),
    Evaluation({}, "b", 2, 0, seq=6, time=106.0),
    Advice(2, 0, "stop", "z", seq=7, time=107.0),
    start(8, resumed_step=1, resumed_seq=3),
    metrics(9, 2, train_loss=0.6),
)


def test_what_a_resume_made_void_is_forgotten() -> None:
    found = history(*RESUMED)
    assert list(found.metrics["train/loss"].values) == [0.7, 0.6]
    assert list(found.rows.step) == [1, 2]
    assert "reward/gap" not in found.metrics
    assert found.sampled() == [-1]
    assert (found.messages(), found.evaluations) == ([], [])
    assert found.start.resumed_step == 1


def test_events_that_count_are_those_that_the_history_keeps() -> None:
    kept = that_count([*RESUMED, Damaged("torn")])
    assert [event.seq for event in kept] == [0, 1, 2, 8, 9]


def test_a_resume_takes_back_the_end_of_the_attempt_before() -> None:
    end = RunEnd("stopped", "asked", seq=1, time=101.0)
    assert history(start(0), end).end is not None
    assert history(start(0), end, start(2, resumed_step=3, resumed_seq=1)).end is None


def test_samples_are_kept_by_outer_iteration_and_typed_prompts_apart() -> None:
    found = history(sample(0, -1, generation="a"), sample(1, 0, generation="b"), sample(2, 0, ASKED, prompt="Who?"))
    assert found.samples[0]["p"].generation == "b"
    assert found.samples[-1]["p"].generation == "a"
    assert [s.prompt for s in found.asked] == ["Who?"]


def test_progress_within_a_phase_gives_the_time_left() -> None:
    def phase(at: float, done: int) -> Event:
        return PhaseProgress("sample", 0, done, 100, "prompts", seq=0, time=at)

    found = history(phase(10, 0), phase(20, 25))
    assert found.progress.seconds_left == 30
    assert len(found.phases) == 1
    assert found.phase_at(5.0).phase == ""
    assert found.phase_at(15.0).phase == "sample"


def test_an_answer_to_a_command_replaces_the_one_before() -> None:
    assert history(Control("c", "pause", "accepted"), Control("c", "pause", "applied")).answers["c"].state == "applied"


def test_damage_and_what_a_newer_version_wrote_are_counted_apart() -> None:
    found = history(
        Damaged("no number"),
        Unknown("hologram", {"values": 3}, seq=1, time=1.0),
        Metrics({"train/loss": 0.5}, seq=2, time=2.0, passed_over=3),
    )
    assert (found.damaged, found.unknown, len(found.rows)) == (1, 4, 1)


def test_the_newest_report_of_the_data_counts() -> None:
    found = history(*(Data(DataReport(rows=i), seq=i) for i in (1, 2)))
    assert found.data is not None
    assert found.data.report.rows == 2


def test_advice_and_alerts_are_told_in_the_order_of_their_events() -> None:
    found = history(Advice(4, 1, "stop", "Stop: enough.", seq=1), Alert(5, text="Hot.", seq=2))
    assert [(message.step, message.level, message.text) for message in found.messages()] == [
        (4, "advice", "Stop: enough."),
        (5, "warning", "Hot."),
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = sorted({item.name for kind in KINDS for item in fields(kind)} - {"seq", "time", "kind"})


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 50),
            st.sampled_from([str(kind.kind) for kind in KINDS]),
            st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8),
        ),
        max_size=12,
    )
)
def test_no_line_whatever_its_fields_is_an_error(lines: list[tuple[int, str, dict[str, Any]]]) -> None:
    found = history(*(decode(json.dumps({"seq": s, "time": 1.0, "kind": k, **f}).encode()) for s, k, f in lines))
    lengths = {len(column) for column in vars(found.rows).values()}
    assert lengths == {len(found.rows)}
    assert all(len(s.rows) == len(s.values) for s in found.metrics.values())
    assert all(row < len(found.rows) for s in found.metrics.values() for row in s.rows)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(1, 4), max_size=10), st.integers(0, 40))
def test_taking_events_in_slices_is_taking_them_at_once(slices: list[int], resumed: int) -> None:
    events = [start(0), *(metrics(i, i, train_loss=i / 7) for i in range(1, 30)), start(30, resumed_seq=resumed)]
    whole, sliced = history(*events), RunHistory()
    at = 0
    for size in [*slices, len(events)]:
        sliced.take(events[at : at + size])
        at += size
    assert sliced.rows == whole.rows
    assert sliced.metrics == whole.metrics


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.kind))
def test_every_kind_is_taken_in(kind: type[Event]) -> None:
    found = decode(json.dumps({"seq": 1, "time": 2.0, "kind": kind.kind, "values": {}}).encode())
    assert type(found) is kind
    assert history(found).last_time == 2.0
