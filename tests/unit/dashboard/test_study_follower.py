"""The dashboard follows a study from each run that trains to the next, and shows its end only once."""

from __future__ import annotations

from pathlib import Path

from irltui.dashboard.store import Line, Store
from irltui.dashboard.study_follower import StudyFollower
from irltui.runs.status import State, Status

FOLDER = Path("runs/quick")
FIRST, SECOND, THIRD = (FOLDER / "seed-0" / name for name in ("a", "b", "c"))


def store(*states: State) -> Store:
    """The three runs of a study in these states."""
    made = Store(Path("runs"))
    for path, state in zip((FIRST, SECOND, THIRD), states, strict=True):
        status = Status(state, "", 0, 0, 0, 0, 0.0, "box", {})
        made.lines.append(Line(path, str(path), status, "irft", "m", ()))
    return made


def test_the_next_run_is_shown_when_it_trains_and_not_while_it_loads() -> None:
    follower = StudyFollower(FOLDER, FIRST)
    assert follower.next_run(store(State.RUNNING, State.WAITING, State.WAITING)) is None
    assert follower.next_run(store(State.FINISHED, State.STARTING, State.WAITING)) is None
    assert follower.next_run(store(State.FINISHED, State.STARTING, State.RUNNING)) == THIRD
    assert follower.next_run(store(State.FINISHED, State.RUNNING, State.RUNNING)) is None


def test_a_run_that_loads_is_shown_where_the_shown_one_never_ran() -> None:
    follower = StudyFollower(FOLDER, FIRST)
    assert follower.next_run(store(State.WAITING, State.STARTING, State.WAITING)) == SECOND


def test_the_end_of_a_study_is_told_once_and_never_before_it_began() -> None:
    follower = StudyFollower(FOLDER, FIRST)
    assert follower.finished(store(State.STOPPED, State.STOPPED, State.STOPPED)) is None
    follower.next_run(store(State.RUNNING, State.WAITING, State.WAITING))
    assert follower.finished(store(State.FINISHED, State.FINISHED, State.WAITING)) is None
    ended = store(State.FINISHED, State.FAILED, State.FINISHED)
    assert follower.finished(ended) == [FIRST, THIRD]
    assert follower.finished(ended) is None
