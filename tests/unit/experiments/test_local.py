"""Processes that work off a plan: order, signals, exit codes, threads."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from irltui.experiments import process
from irltui.experiments.local import LocalWorkers
from irltui.experiments.plan import make
from irltui.experiments.study import study_of, study_plan
from irltui.runs.folder import RunFolder
from irltui.runs.lock import hold, hold_plan
from irltui.runs.status import State, read_status

RUN = ("run", "irft", "--model", "m", "--data", "d", "--out", "two", "--seeds", "2")
FINISHES = "start(); writer.status(now=True, state='finished'); end('finished', 0)"
STOPPABLE = """
start()
writer.status(now=True, state="running")
while not take(run):
    time.sleep(0.01)
writer.status(now=True, state="stopped")
end("stopped", 130)
"""
STUBBORN = "start()\nwhile True: time.sleep(0.01)\n"
TERMINABLE = """
def leave(*_):
    writer.status(now=True, state="preempted")
    end("preempted", 75)
signal.signal(signal.SIGTERM, leave)
start()
while True: time.sleep(0.01)
"""


@pytest.mark.parametrize(
    ("lines", "signals", "code", "states"),
    [
        (STOPPABLE, [signal.SIGINT], 130, [State.STOPPED, State.STOPPED]),
        (STUBBORN, [signal.SIGINT, signal.SIGINT], 130, None),
        (TERMINABLE, [signal.SIGTERM], 75, [State.PREEMPTED, State.STOPPED]),
    ],
    ids=["ctrl-c stops", "twice kills", "sigterm is passed on"],
)
def test_signals_reach_the_engines_and_an_interrupted_plan_never_exits_with_0(
    stand_in, tmp_path: Path, lines: str, signals: list[int], code: int, states: list[State] | None
) -> None:
    stand_in(f"print('up', flush=True)\n{lines}")
    program = f"""
import sys
from irltui.cli.main import main
from irltui.experiments import process
from irltui.experiments.local import LocalWorkers
from irltui.experiments.plan import make
from irltui.experiments.study import study_of, study_plan
process.ENGINE = {process.ENGINE!r}
sys.argv = {["irltui", *RUN]!r}
main()
"""
    with subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as ran:
        assert ran.stderr is not None
        for line in ran.stderr:
            if "seed 0: started" in line:
                events = tmp_path / "two" / "seed-0" / "events.jsonl"
                while not (events.exists() and "run_start" in events.read_text()):
                    pass
            # The next signal goes when the one before has been answered.
            if ("seed 0: started" in line or "Ctrl-C again" in line) and signals:
                ran.send_signal(signals.pop(0))
    assert ran.returncode == code
    if states is not None:
        assert [read_status(RunFolder(tmp_path / "two" / f"seed-{seed}")).state for seed in (0, 1)] == states


def test_resume_continues_all_runs_of_a_plan(irltui, stand_in) -> None:
    stand_in("sys.exit(1)")
    assert irltui(*RUN).code == 1
    stand_in(FINISHES)
    again = irltui("run", "--resume", "two")
    assert (again.code, "2 runs are finished" in again.err) == (0, True)


def test_the_exit_code_of_a_run_that_cannot_be_used_is_that_of_all(irltui, stand_in) -> None:
    stand_in("start(); writer.status(now=True, state='failed', reason='no such data'); end('failed', 2)")
    done = irltui(*RUN)
    assert done.code == 2
    assert "error: seed 0: no such data" in done.err


def test_runs_that_are_worked_on_are_not_taken_up_again(irltui, stand_in, tmp_path: Path) -> None:
    stand_in(FINISHES)
    irltui(*RUN)
    with hold_plan(tmp_path / "two" / "plan.lock"):
        done = irltui("run", "--resume", "two")
    assert done.code == 2
    assert "two: another process is working on these runs (pid" in done.err


def test_events_of_several_runs_are_lines_that_name_their_run(irltui, stand_in) -> None:
    stand_in(FINISHES)
    lines = [json.loads(line) for line in irltui(*RUN, "--json").out.splitlines()]
    assert {(line["run"], line["kind"]) for line in lines[:-1]} == {
        (f"seed-{seed}", kind) for seed in (0, 1) for kind in ("run_start", "run_end")
    }
    assert lines[-1]["kind"] == "runs"


@pytest.mark.parametrize(("chosen", "given"), [("3", "3"), ("", "1")])
def test_several_runs_share_the_processor_unless_the_user_has_chosen(
    stand_in, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, given: str
) -> None:
    stand_in("print(os.environ['OMP_NUM_THREADS'])")
    monkeypatch.setenv("OMP_NUM_THREADS", chosen)
    if not chosen:
        monkeypatch.delenv("OMP_NUM_THREADS")
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    process.start_engine(run, threads=1).wait()
    assert run.console.read_text().strip() == given


def test_a_second_resume_of_a_run_says_that_it_is_working_and_leaves_it_alone(irltui, make_run) -> None:
    run = make_run("a", State.STOPPED)
    with hold(run):
        done = irltui("run", "--resume", "a", "--headless")
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("error: a: an engine is working on this run (pid ")
    assert not run.console.exists()


STUDY = """
model.name = "m"
data.source = "d"
study = { seeds = [0], compare = ["b", "a"], metric = "gold/quality" }
arms = { a = { algorithm = "sft" }, b = { algorithm = "sft", keep = "a" } }
"""


@pytest.mark.parametrize("could", [True, False])
def test_a_run_waits_for_the_rows_that_the_triage_of_another_one_keeps(stand_in, tmp_path: Path, could: bool) -> None:
    stand_in(FINISHES)
    (tmp_path / "s.toml").write_text(STUDY)
    found = study_of(str(tmp_path / "s.toml"))
    assert found is not None
    plan, loaded = study_plan(found, (), tmp_path / "out")
    make(plan, loaded)
    a, b = (RunFolder(tmp_path / "out" / "seed-0" / arm) for arm in "ab")
    asked: list[tuple[Path, State]] = []

    def keep(run: RunFolder) -> bool:
        asked.append((run.path, read_status(a).state))
        return could

    workers = LocalWorkers(plan, lambda _: None, lambda: None, keep)
    assert workers.work() == (0 if could else 1)
    assert asked == [(a.path, State.FINISHED)]
    assert [job.state for job in workers.jobs] == [State.FINISHED, State.FINISHED if could else State.FAILED]
    assert b.events.exists() is could
