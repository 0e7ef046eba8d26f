"""A deadline leaves room for a checkpoint; Slurm's is found without being told."""

from __future__ import annotations

import os
import time
from datetime import datetime
from pathlib import Path

import pytest

from irltui.errors import OptionError
from irltui.runs import deadline
from irltui.runs.deadline import MARGIN, Deadline, set_deadline


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IRLTUI_DEADLINE", "")
    for name in ("SLURM_JOB_ID", "SLURM_JOB_END_TIME"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("text", "seconds"), [("11h50m", 42_600), ("2d", 172_800), ("90s", 90), ("1.5h", 5_400), ("1d2h3m4s", 93_784)]
)
def test_a_duration_becomes_the_deadline_of_the_command_and_its_processes(text: str, seconds: float) -> None:
    set_deadline(text)
    found = Deadline.known()
    assert found
    assert found.left == pytest.approx(seconds, abs=2)


@pytest.mark.parametrize("text", ["soon", "11", "0m", "5m3h", "1.2.3h", "h", "-5m", "11:50"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(OptionError, match="not a duration") as caught:
        set_deadline(text)
    assert "11h50m" in caught.value.hint


def test_without_option_and_slurm_there_is_no_deadline() -> None:
    assert Deadline.known() is None
    assert not Deadline(float("inf"), "").is_near


def test_the_end_of_a_slurm_job_is_taken_from_its_environment_unless_it_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 600))
    found = Deadline.known()
    assert found
    assert found.left == pytest.approx(600, abs=2)
    assert found.what == "the Slurm job's time limit"
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) - 600))  # of a job that lies behind
    assert Deadline.known() is None


@pytest.mark.parametrize(
    ("command", "said"),
    [("scontrol", "JobId=7 JobName=x\n StartTime=2020-01-01T00:00:00 EndTime={}\n"), ("squeue", "{}\n")],
)
def test_slurm_is_asked_where_the_environment_does_not_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, said: str
) -> None:
    end = datetime.fromtimestamp(int(time.time()) + 900).isoformat()
    (tmp_path / command).write_text(f"#!/bin/sh\nprintf '{said.format(end)}'\n")
    (tmp_path / command).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    found = Deadline.known()
    assert found
    assert found.left == pytest.approx(900, abs=2)


def test_a_job_without_a_limit_has_no_deadline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scontrol").write_text("#!/bin/sh\necho EndTime=Unknown\n")
    (tmp_path / "scontrol").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    assert Deadline.known() is None


def test_the_earlier_of_two_ends_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_END_TIME", str(int(time.time()) + 6_000))
    set_deadline("10m")
    found = Deadline.known()
    assert found
    assert found.what == "the deadline"


def test_time_for_a_checkpoint_and_for_the_longest_work_between_two_safe_points_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now[0])
    limit = Deadline(1_000, "the deadline")
    limit.left_off()
    now[0] = 30
    limit.saved(20)  # in the midst of the work, and counted once
    limit.arrived()
    limit.left_off()
    needed = MARGIN + 1.5 * 20 + 2 * 10
    now[0] = 1_000 - needed - 1
    assert not limit.is_near
    now[0] = 1_000 - needed + 1
    assert limit.is_near


def test_a_checkpoint_that_is_being_written_is_waited_for_first(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(deadline.time, "monotonic", lambda: now[0])
    limit = Deadline(1_000, "the deadline")
    limit.left_off()
    now[0] = 10
    limit.saved(20, held=1)  # for one second of which work waited
    limit.arrived()
    limit.left_off()
    limit.writing = True
    needed = MARGIN + 2.5 * 20 + 2 * 9
    now[0] = 1_000 - needed - 1
    assert not limit.is_near
    now[0] = 1_000 - needed + 1
    assert limit.is_near
    limit.writing = False
    assert not limit.is_near


def test_the_environment_is_left_as_it_was() -> None:
    assert not os.environ["IRLTUI_DEADLINE"]
