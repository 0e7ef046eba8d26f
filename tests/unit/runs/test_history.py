"""The one reading of events: what they add up to, what a resume makes void, and what damage does not do."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from irltui.runs.events import Event, Kind
from irltui.runs.history import RunHistory


def history(*events: Event) -> RunHistory:
    found = RunHistory()
    found.take(events)
    return found


def metrics(seq: int, step: int, **values: Any) -> Event:
    fields = {"step": step, "outer_iteration": 0, "inner_step": step, "tokens": step * 10, "elapsed": float(step)}
    named = {name.replace("_", "/", 1): value for name, value in values.items()}
    return Event(seq, 100.0 + seq, Kind.METRICS, {**fields, "values": named})


def start(seq: int, **fields: Any) -> Event:
    plan = {"attempt": 1, "pid": 7, "host": "box", "algorithm": "irft", "total_steps": 40, "outer_iterations": 4}
    return Event(seq, 100.0 + seq, Kind.RUN_START, {**plan, "resumed_step": None, "resumed_seq": None, **fields})


def sample(seq: int, t: int, prompt_id: str = "p", **fields: Any) -> Event:
    return Event(seq, 100.0 + seq, Kind.SAMPLE, {"outer_iteration": t, "prompt_id": prompt_id, **fields})


def test_metrics_become_series_over_steps_tokens_and_seconds() -> None:
    found = history(metrics(0, 1, train_loss=0.7), metrics(1, 2, train_loss=0.6, reward_gap=0.1))
    loss = found.metrics["train/loss"]
    assert list(loss.values) == [0.7, 0.6]
    assert [found.rows.step[row] for row in loss.rows] == [1, 2]
    assert [found.rows.tokens[row] for row in loss.rows] == [10, 20]
    assert [found.rows.elapsed[row] for row in found.metrics["reward/gap"].rows] == [2.0]
    assert (found.step, found.elapsed) == (2, 2.0)


def test_numbers_that_are_not_finite_are_kept_and_counted() -> None:
    found = history(metrics(0, 1, train_loss="nan"), metrics(1, 2, train_loss="-inf"), metrics(2, 3, train_loss=0.5))
    values = list(found.metrics["train/loss"].values)
    assert math.isnan(values[0])
    assert values[1:] == [-math.inf, 0.5]
    assert found.not_finite == 2


def test_what_a_resume_made_void_is_forgotten() -> None:
    found = history(
        start(0),
        metrics(1, 1, train_loss=0.7),
        sample(2, -1),
        metrics(3, 2, train_loss="nan", reward_gap=1.0),
        sample(4, 0),
        Event(5, 105.0, Kind.ALERT, {"step": 2, "level": "warning", "code": "x", "text": "y"}),
        Event(6, 106.0, Kind.EVALUATION, {"step": 2, "outer_iteration": 0, "benchmark": "b", "values": {}}),
        start(7, attempt=2, resumed_step=1, resumed_seq=3),
        metrics(8, 2, train_loss=0.6),
    )
    assert list(found.metrics["train/loss"].values) == [0.7, 0.6]
    assert list(found.rows.step) == [1, 2]
    assert "reward/gap" not in found.metrics
    assert found.sampled() == [-1]
    assert (found.alerts, found.evaluations, found.not_finite) == ([], [], 0)
    assert found.start.attempt == 2


def test_a_resume_takes_back_the_end_of_the_attempt_before() -> None:
    end = Event(1, 101.0, Kind.RUN_END, {"state": "stopped", "reason": "asked", "exit_code": 0, "step": 3})
    assert history(start(0), end).end is not None
    assert history(start(0), end, start(2, resumed_step=3, resumed_seq=1)).end is None


def test_samples_are_kept_by_outer_iteration_and_typed_prompts_apart() -> None:
    found = history(sample(0, -1, generation="a"), sample(1, 0, generation="b"), sample(2, 0, "asked", prompt="Who?"))
    assert found.samples[0]["p"].generation == "b"
    assert found.samples[-1]["p"].generation == "a"
    assert [s.prompt for s in found.asked] == ["Who?"]


def test_progress_within_a_phase_gives_the_time_left() -> None:
    def phase(at: float, done: int) -> Event:
        fields = {"phase": "sample", "outer_iteration": 0, "done": done, "total": 100, "unit": "prompts"}
        return Event(0, at, Kind.PHASE, fields)

    found = history(phase(10, 0), phase(20, 25))
    assert found.progress.seconds_left == 30
    assert len(found.phases) == 1
    assert found.phase_at(5.0).phase == ""
    assert found.phase_at(15.0).phase == "sample"


def test_an_answer_to_a_command_replaces_the_one_before() -> None:
    def control(state: str) -> Event:
        return Event(0, 1.0, Kind.CONTROL, {"id": "c", "command": "pause", "state": state, "detail": ""})

    assert history(control("accepted"), control("applied")).answers["c"].state == "applied"


def test_wrong_fields_are_counted_and_unknown_kinds_are_not() -> None:
    found = history(
        Event(0, 1.0, Kind.METRICS, {"values": 3}),
        Event(1, 1.0, Kind.METRICS, {}),
        Event(2, 1.0, "from the future", {"values": 3}),
        metrics(3, 1, train_loss="high"),
    )
    assert found.damaged == 3
    assert len(found.rows) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
FIELDS = [
    "step", "values", "outer_iteration", "inner_step", "tokens", "elapsed", "phase", "done", "total", "unit",
    "prompt_id", "prompt", "generation", "pieces", "token_rewards", "reward", "resumed_seq", "resumed_step", "id",
    "command", "state", "detail", "level", "text", "benchmark", "name", "bytes", "seconds", "exit_code",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.builds(
            Event,
            st.integers(0, 50),
            st.floats(),
            st.sampled_from(list(Kind)),
            st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=8),
        ),
        max_size=12,
    )
)
def test_no_event_whatever_its_fields_is_an_error(events: list[Event]) -> None:
    found = history(*events)
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


def test_advice_stands_among_the_alerts_at_a_level_of_its_own() -> None:
    history = RunHistory()
    fields = {"step": 4, "outer_iteration": 1, "verdict": "stop", "text": "Stop: enough."}
    history.take([Event(1, 1.0, Kind.ADVICE, fields)])
    (alert,) = history.alerts
    assert (alert.step, alert.level, alert.code, alert.text) == (4, "advice", "stop", "Stop: enough.")
