"""Runs as jobs of submitit: its executor for this machine, with real processes and the real engine."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from irltui.distributed.launch import Signals
from irltui.engine import __main__ as engine
from irltui.experiments.slurm import SubmittedRun
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from irltui.runs.reader import read_events
from support.compare import assert_same
from support.runs import config, demonstrations, finish, prepare, results
from support.tiny import folder as tiny

LONGEST = 120.0  # seconds for what takes ten


def wait_for(what: str, run: RunFolder) -> None:
    until = time.monotonic() + LONGEST
    while not (run.events.exists() and what in run.events.read_text(encoding="utf-8")):
        assert time.monotonic() < until, what
        time.sleep(0.02)  # between two looks at a file


def irltui(*arguments: str) -> str:
    """What a command prints; to a file, for the jobs inherit its stdout and live longer."""
    with Path("printed").open("w+b") as printed:
        subprocess.run([sys.executable, "-m", "irltui", *arguments], check=True, stdout=printed, timeout=LONGEST)
        printed.seek(0)
        return printed.read().decode()


@pytest.mark.slow
def test_seeds_are_submitted_and_compared_and_one_that_met_its_limit_goes_on_to_the_very_same_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny(tmp_path / "model")
    demonstrations(tmp_path / "data.jsonl", 25)
    small = ("loop.passes=4", "loop.batch=4", "data.held_out=0.2", "data.max_response_tokens=8")
    options = ("time=60", "cluster=local", "gpus_per_node=0")
    command = ("run", "irft", "--model", "model", "--data", "data.jsonl", "--out", "two", "--seeds", "2")
    flags = [part for flag, values in (("--set", small), ("--submit", options)) for v in values for part in (flag, v)]
    irltui(*command, *flags)
    runs = [RunFolder(tmp_path / "two" / f"seed-{seed}") for seed in (0, 1)]
    again = irltui(*command, *flags)
    assert len(re.findall(r"job \d+ already", again)) == 2
    wait_for('"step":2', runs[1])
    os.kill(int(runs[1].lock.read_text().split()[1]), signal.SIGUSR2)  # submitit's, before the limit
    for run in runs:
        wait_for('"state":"finished"', run)
    ends = [event.state for event in read_events(runs[1].events) if event.kind == Kind.RUN_END]
    assert ends == ["preempted", "finished"]
    assert irltui(*command, *flags).count("finished") == 2
    whole = finish(tmp_path / "whole", dict(read_manifest(runs[1]).config))
    assert results(runs[1]) == results(whole)
    assert_same(whole, runs[1])
    compared = json.loads(irltui("compare", "two", "--json"))
    assert [[run["seed"] for run in side["runs"]] for side in compared["sides"]] == [["0", "1"]]
    (nll,) = (row["estimates"][0] for row in compared["final"] if row["metric"] == "heldout/nll")
    assert nll["low"] < nll["mean"] < nll["high"]


@pytest.mark.parametrize(("code", "put_back"), [(75, 1), (0, 0), (1, 0)])
def test_only_the_signal_before_the_limit_ends_a_job_and_only_that_puts_it_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, put_back: int
) -> None:
    told: list[Signals] = []
    calls: list[int] = []
    monkeypatch.setattr(engine, "main", lambda arguments, signals, **more: told.append(signals) or code)
    for name, value in {"EXECUTOR": "local", "LOCAL_JOB_ID": "7", "LOCAL_NTASKS": "1"}.items():
        monkeypatch.setenv(f"SUBMITIT_{name}", value)
    before = signal.signal(signal.SIGUSR2, lambda number, frame: calls.append(number))
    try:
        if code == 1:
            with pytest.raises(RuntimeError, match="exit code 1"):
                SubmittedRun(tmp_path)()
        else:
            SubmittedRun(tmp_path)()
    finally:
        signal.signal(signal.SIGUSR2, before)
    assert len(calls) == put_back
    assert (told[0].leave, set(told[0].save)) == ((signal.SIGUSR2,), {signal.SIGTERM, signal.SIGUSR1})
    assert SubmittedRun(tmp_path).checkpoint().function == SubmittedRun(tmp_path)


def test_what_the_engine_of_a_job_prints_is_in_the_run_folder_and_how_it_ended_in_the_jobs_log(tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(tmp_path / "no-model", demonstrations(tmp_path / "data.jsonl", 8)))
    code = (
        "import sys, pathlib\n"
        "from irltui.engine import session\n"
        "def train(*arguments): raise RuntimeError('odd')\n"
        "session.train = train\n"
        "from irltui.experiments.slurm import SubmittedRun\n"
        "SubmittedRun(pathlib.Path(sys.argv[1]))()\n"
    )
    job = {"SUBMITIT_EXECUTOR": "local", "SUBMITIT_LOCAL_JOB_ID": "7", "SUBMITIT_LOCAL_NTASKS": "1"}
    command = [sys.executable, "-c", code, str(run.path)]
    done = subprocess.run(command, env={**os.environ, **job}, capture_output=True, text=True, check=False)
    assert "RuntimeError: odd" in run.console.read_text()
    assert f"irltui: {run.path}: failed: RuntimeError: odd" in done.stderr
