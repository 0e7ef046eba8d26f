"""Several runs on a terminal: one line per run while they work or are submitted, then the results."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from irltui.cli import dashboard
from irltui.cli.follow import Display, json_line
from irltui.cli.worker import work
from irltui.config.requests import TriageRequest
from irltui.console import columns, complain, out, out_json, talk
from irltui.errors import EXIT_INTERRUPTED, EXIT_OK
from irltui.experiments.local import Job, LocalWorkers
from irltui.experiments.plan import Plan, PlannedRun, kept_rows
from irltui.experiments.process import console_tail
from irltui.experiments.slurm import executors_of, read_job, submit
from irltui.runs.event_lines import number
from irltui.runs.folder import RunFolder
from irltui.runs.lock import hold_plan
from irltui.runs.manifest import read_manifest
from irltui.runs.metrics import COLUMNS, metric
from irltui.runs.reader import EventReader
from irltui.runs.status import WORKING, State, Status, read_status
from irltui.text import safe
from irltui.views.numbers import figure
from irltui.views.study import study_result
from irltui.views.terminal import can_draw, has_screen

_HEAD = ("run", "state", "phase", "step", *(metric(name).label for name in COLUMNS))


def work_off(plan: Plan, display: Display) -> int:
    """Run what is not finished yet, on a terminal with the dashboard, and say what came of it; the exit code."""
    waits = any(read_status(plan.run_folder(run)).state is not State.FINISHED for run in plan.runs)
    if waits and display is Display.DASHBOARD and has_screen():
        return _on_the_dashboard(plan)
    folder, as_json = safe(plan.folder), display is Display.JSON
    is_drawn = can_draw() and not as_json
    talk(f"{len(plan.runs)} runs in {folder}, {plan.jobs} at a time")
    relay = _relay(plan) if as_json else _nothing
    workers = LocalWorkers(plan, _nothing if is_drawn or as_json else _tell, relay, keep)
    for job in workers.jobs:
        if job.state is State.FINISHED:
            talk(f"{job.run.name}: already finished")
    drawn = Live(console=Console(stderr=True), get_renderable=lambda: _table(workers.jobs), refresh_per_second=4)
    with drawn if is_drawn else nullcontext():
        code = workers.work()
    for job in workers.jobs:
        if job.engine is not None and job.state in {State.FAILED, State.CRASHED}:
            _complain(job)
    _conclude(plan, {job.run: job.state for job in workers.jobs}, as_json=as_json)
    return code


def _conclude(plan: Plan, states: Mapping[PlannedRun, State], *, as_json: bool) -> None:
    """Print what is not finished, else the results."""
    names = "; ".join(f"{run.name}: {state}" for run, state in states.items() if state is not State.FINISHED)
    if names:
        complain(f"not finished: {names}\n`irltui run --resume {safe(plan.folder)}` continues")
    else:
        _tell_results(plan, as_json=as_json)


def _on_the_dashboard(plan: Plan) -> int:
    """Another process works the runs off, so that leaving the dashboard ends nothing."""
    with hold_plan(plan.lock):
        """Nobody else works on them."""
    worker = dashboard.start_working(plan.folder)
    left = dashboard.open_dashboard(plan.run_folder(plan.runs[0]).path, plan.folder.parent, plan.folder)
    if worker.poll() is None:
        if left != EXIT_INTERRUPTED:
            talk(f"detached; the runs go on: irltui runs {safe(plan.folder)}")
            return EXIT_OK
        talk("stopping all runs at their next safe points, with checkpoints")
        worker.send_signal(signal.SIGINT)
    returned = worker.wait()
    _conclude(plan, {run: read_status(plan.run_folder(run)).state for run in plan.runs}, as_json=False)
    return returned


def submit_all(plan: Plan, make: Callable[[], None], options: Sequence[str], *, as_json: bool) -> int:
    """Submit what is neither finished nor under way, and list all; the exit code."""
    job = read_job(options)
    executors = executors_of(job)
    make()
    rows = [
        [run.name or safe(plan.folder.name), state, safe(plan.run_folder(run).path)]
        for run, state in submit(plan, job, executors)
    ]
    if as_json:
        out_json([dict(zip(("name", "state", "run"), row, strict=True)) for row in rows])
    else:
        out(columns(rows))
    talk(f"watch with `irltui runs {safe(plan.folder)}` and `irltui watch RUN`")
    return EXIT_OK


def _tell_results(plan: Plan, *, as_json: bool) -> None:
    """Print a study's comparison, or one line per run."""
    if plan.compare is not None:
        result = study_result(plan, plan.compare)
        if as_json:
            out_json(result.as_dict(), indent=None)
        else:
            out(result.text())
        return
    if as_json:
        runs = [{"name": run.name, "run": str(plan.run_folder(run).path)} for run in plan.runs]
        out_json({"kind": "runs", "runs": runs}, indent=None)
    else:
        out(columns([_HEAD, *(_row(run, read_status(plan.run_folder(run))) for run in plan.runs)]))
    talk(f"{len(plan.runs)} runs are finished: irltui compare {safe(plan.folder)}")


def keep(run: RunFolder) -> bool:
    """Write the rows that a run's triage keeps, for the runs that train on them; whether they are there."""
    file = kept_rows(run)
    values, triaged = read_manifest(run).config, run.applied / "triage.jsonl"
    return file.exists() or work(TriageRequest(run=run.path, values=values, out=triaged, keep=file)) == EXIT_OK


def _tell(job: Job) -> None:
    talk(f"{job.run.name}: {'started, ' + safe(job.folder.path) if job.works else job.state}")


def _nothing(job: Job | None = None) -> None:
    """The display redraws itself."""


def _complain(job: Job) -> None:
    reason = read_status(job.folder).reason if job.state is State.FAILED else ""
    complain(f"error: {job.run.name}: {safe(reason or 'the engine ended without reporting a reason', lines=True)}")
    if not reason and (tail := console_tail(job.folder)):
        complain(tail)


def _table(jobs: Sequence[Job]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in _HEAD:
        table.add_column(head)
    for job in jobs:
        cells = _row(job.run, replace(read_status(job.folder), state=job.state))
        table.add_row(*(Text(safe(cell, limit=60), no_wrap=True) for cell in cells))
    return table


def _row(run: PlannedRun, status: Status) -> list[str]:
    state = status.state
    return [
        run.name,
        str(state),
        safe(status.phase, limit=20) if state in WORKING else "",
        f"{status.step}/{status.total_steps}" if status.total_steps else "",
        *(figure(number(status.values.get(name))) for name in COLUMNS),
    ]


def _relay(plan: Plan) -> Callable[[], None]:
    """What prints new events of all runs as JSON lines, each with its run; those of earlier attempts are skipped."""
    readers = {run.path: EventReader(plan.run_folder(run).events) for run in plan.runs}
    for reader in readers.values():
        while reader.poll():
            pass

    def look() -> None:
        for path, reader in readers.items():
            for event in reader.poll():
                json_line(event, run=path)

    return look
