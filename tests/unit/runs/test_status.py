"""The state of a run, derived from what its engine wrote, from locks and from the plan it belongs to."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from irltui.runs.durable import replace_json
from irltui.runs.folder import PLAN_FILE, PLAN_LOCK, RunFolder, create_run_folder
from irltui.runs.lock import hold, hold_plan
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.status import State, read_status

LONG_AGO = time.time() - 300


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """A run of a plan, made five minutes ago, that no engine has touched."""
    made = create_run_folder(tmp_path / "plan" / "seed-0" / "a")
    write_manifest(made, new_manifest({}, {}))
    os.utime(made.manifest, (LONG_AGO, LONG_AGO))
    return made


@pytest.fixture
def plan(tmp_path: Path, run: RunFolder) -> Path:
    (tmp_path / "plan" / PLAN_FILE).write_text("{}")
    return tmp_path / "plan" / PLAN_LOCK


def ended(run: RunFolder, state: State, at: float) -> None:
    run.lock.touch()
    replace_json(run.status, {"state": state, "time": at, "host": os.uname().nodename})


def state(run: RunFolder) -> State:
    return read_status(run).state


def test_a_run_waits_as_long_as_its_plan_is_worked_on(run: RunFolder, plan: Path) -> None:
    with hold_plan(plan):
        assert state(run) is State.WAITING
    assert state(run) is State.STOPPED  # its turn did not come


def test_a_run_of_no_plan_that_no_engine_has_touched_is_starting_and_then_crashed(run: RunFolder) -> None:
    assert state(run) is State.CRASHED
    os.utime(run.manifest)
    assert state(run) is State.STARTING


def test_a_run_that_is_queued_on_a_cluster_waits(run: RunFolder) -> None:
    replace_json(run.job, {"cluster": "slurm", "id": "7"})
    assert state(run) is State.WAITING


def test_an_engine_that_works_has_the_state_it_wrote_last(run: RunFolder, plan: Path) -> None:
    with hold_plan(plan), hold(run):
        assert state(run) is State.STARTING
        ended(run, State.PAUSED, time.time())
        assert state(run) is State.PAUSED


@pytest.mark.parametrize("before", [State.STOPPED, State.PREEMPTED, State.FAILED, State.RUNNING])
def test_a_run_that_ended_before_its_plan_was_taken_up_waits_again(run: RunFolder, plan: Path, before: State) -> None:
    ended(run, before, LONG_AGO)
    seen = State.CRASHED if before is State.RUNNING else before
    assert state(run) is seen
    with hold_plan(plan):
        assert state(run) is State.WAITING
        ended(run, before, time.time() + 1)
        assert state(run) is seen


def test_a_finished_run_stays_finished(run: RunFolder, plan: Path) -> None:
    ended(run, State.FINISHED, LONG_AGO)
    with hold_plan(plan):
        assert state(run) is State.FINISHED


def test_a_plan_that_is_worked_on_by_another_machine_is_known_by_its_heartbeat(run: RunFolder, plan: Path) -> None:
    plan.write_text(f"pid 7 on elsewhere since {LONG_AGO}\n")
    assert state(run) is State.WAITING
    os.utime(plan, (LONG_AGO, LONG_AGO))
    assert state(run) is State.STOPPED


@pytest.mark.parametrize("text", ["", "pid on", "pid 7 on x since soon", "\x00" * 9, json.dumps({"pid": 1})])
def test_a_damaged_lock_of_a_plan_holds_nobody(run: RunFolder, plan: Path, text: str) -> None:
    plan.write_text(text)
    assert state(run) is State.STOPPED
