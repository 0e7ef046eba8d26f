"""A run at one moment: what a replay shows is what was known then."""

from __future__ import annotations

from pathlib import Path

import pytest
from dashboard.written_events import Script
from dashboard.written_run import write_run

from irltui.runs.events import Metrics, PhaseProgress, RunStart
from irltui.runs.history import RunHistory
from irltui.runs.reader import read_events
from irltui.views.replay import Moment, Replay


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> RunHistory:
    run = write_run(Path(tmp_path_factory.mktemp("runs")) / "run", Script(outer_iterations=2, inner_steps=10))
    found = RunHistory()
    found.take(read_events(run.events))
    return found


def test_a_moment_holds_nothing_of_the_future(history: RunHistory) -> None:
    for row in range(len(history.rows) + 1):
        moment = Moment(history, row)
        assert len(moment.curve("train/loss")) <= row
        assert all(alert.time <= moment.time for alert in moment.alerts())
        assert all(s.time <= moment.time for t in moment.sampled() for s in moment.samples(t).values())
        assert moment.metrics() <= Moment(history).metrics()


def test_the_last_moment_is_the_whole_run(history: RunHistory) -> None:
    last, whole = Moment(history, len(history.rows)), Moment(history)
    assert last.step == whole.step == 20
    assert last.metrics() == whole.metrics()
    assert whole.seconds_left() is None


def test_a_replay_runs_to_its_end_and_holds_there(history: RunHistory) -> None:
    replay = Replay(history)
    assert replay.moment().step == 0
    while replay.playing:
        replay.advance(1.0)
    assert replay.position == replay.length
    assert replay.moment().step == 20


def test_scrubbing_stays_inside_the_run(history: RunHistory) -> None:
    replay = Replay(history, playing=False)
    replay.scrub(-1)
    assert replay.position == 0
    replay.scrub(2)
    assert replay.position == replay.length


def test_curves_can_be_over_steps_tokens_and_time(history: RunHistory) -> None:
    moment = Moment(history)
    for axis in ("step", "tokens", "elapsed"):
        x = moment.curve("train/loss", axis).x
        assert (x[1:] >= x[:-1]).all()
        assert moment.extent(axis)[0] <= x[0] <= x[-1] <= moment.extent(axis)[1]


def test_pauses_count_for_nothing_in_the_time_that_is_left() -> None:
    history = RunHistory()
    history.take([
        RunStart(1, "box", "irft", 30, 1, seq=0, time=0.0),
        PhaseProgress("update", 0, seq=1, time=0.0),
        *(Metrics({"train/loss": 1.0}, k, seq=1 + k, time=float(k)) for k in range(1, 11)),
        PhaseProgress("paused", 0, seq=20, time=10.0),
        PhaseProgress("update", 0, seq=21, time=1_010.0),
        Metrics({"train/loss": 1.0}, 11, seq=22, time=1_011.0),
    ])  # fmt: skip
    assert Moment(history).seconds_left() == pytest.approx(19.0)
