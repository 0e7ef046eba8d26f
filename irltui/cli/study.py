"""`irltui run` of a study: make all run folders, start engines as others finish, follow them, compare."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from subprocess import Popen
from types import FrameType

from irltui.cli.engine import console_tail, start_engine
from irltui.cli.sources import Sources
from irltui.cli.study_report import study_report
from irltui.cli.study_table import draw
from irltui.console import complain, out, out_json, talk
from irltui.errors import EXIT_FAILED, EXIT_OK, RunFolderError
from irltui.experiments.study_file import Study
from irltui.experiments.study_folder import StudyPlan, StudyRun, is_study, read_plan, run_folder, write_plan
from irltui.runs.control import Command, send
from irltui.runs.durable import sync_folder
from irltui.runs.event_lines import as_dict
from irltui.runs.events import Damaged, Event
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.reader import EventReader
from irltui.runs.status import State, read_status
from irltui.text import safe
from irltui.views.terminal import can_draw

POLL = 0.2  # seconds between looks at the runs


@dataclass
class Job:
    """One run of the study and how far it is."""

    run: StudyRun
    folder: RunFolder
    history: RunHistory
    reader: EventReader
    engine: Popen[bytes] | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"seed {self.run.seed}, {self.run.arm}"

    @property
    def state(self) -> State | None:
        """None before its engine started."""
        if self.engine is not None and self.engine.poll() is None:
            return State.RUNNING
        end = self.history.end
        if end is not None:
            return State(end.state) if end.state in set(State) else State.CRASHED
        return None if self.engine is None else State.CRASHED


def create_study(study: Study, sources: Sources, folder: Path) -> StudyPlan:
    """Make the study's folder and those of all its runs.

    Raises:
        ConfigError: a run's configuration has problems.
        RunFolderError: there is a study already, or a folder cannot be made.
    """
    if is_study(folder):
        raise RunFolderError(f"{folder}: holds a study already", "Continue it with --resume, or choose another --out.")
    section = study.section
    arms = tuple((arm.name, arm.start) for arm in study.arms)
    first, second = section.compare
    plan = StudyPlan(tuple(section.seeds), arms, (first, second), section.metric, section.jobs)
    by_name = {arm.name: arm for arm in study.arms}
    root = folder.absolute()
    loaded = {
        run: study.load(
            by_name[run.arm],
            run.seed,
            start=run_folder(root, run.seed, run.start).path if run.start else None,
            flags=sources.flag_layers(),
        )
        for run in plan.runs()
    }
    for run, configuration in loaded.items():
        made = create_run_folder(run_folder(root, run.seed, run.arm).path)
        write_manifest(made, new_manifest(configuration.config.model_dump(mode="json"), configuration.origins))
    write_plan(folder, plan)
    sync_folder(folder)
    return plan


def follow_study(folder: Path, *, as_json: bool) -> int:
    """Run what is not finished yet, then print the comparison; the exit code.

    Raises:
        NoRunError: there is no study here.
        RunFolderError: its folder is damaged.
    """
    plan = read_plan(folder)
    jobs = [_job(folder, run) for run in plan.runs()]
    talk(f"study folder: {safe(folder)} ({len(jobs)} runs, {plan.jobs} at a time)")
    is_drawn = can_draw() and not as_json
    with _interruptible(jobs) as stopping, draw(jobs) if is_drawn else nullcontext():
        _work_off(jobs, plan, as_json=as_json, is_talking=not is_drawn and not as_json, stopping=stopping)
    unfinished = [job for job in jobs if job.state is not State.FINISHED]
    for job in unfinished:
        if job.state in {State.FAILED, State.CRASHED}:
            _complain(job)
    if unfinished:
        complain(
            f"{len(unfinished)} of {len(jobs)} runs are not finished; continue: irltui run --resume {safe(folder)}"
        )
        is_stopped = all(job.state not in {State.FAILED, State.CRASHED} for job in unfinished)
        return EXIT_OK if is_stopped and stopping else EXIT_FAILED
    report = study_report(folder, plan)
    if as_json:
        out_json(report.as_dict(), indent=None)
    else:
        out(report.text())
    return EXIT_OK


def _job(folder: Path, run: StudyRun) -> Job:
    place = run_folder(folder, run.seed, run.arm)
    history, reader = RunHistory(), EventReader(place.events)
    while events := reader.poll():
        history.take(events)
    if read_status(place).state is not State.FINISHED:
        history.end = None
    return Job(run, place, history, reader)


def _work_off(jobs: list[Job], plan: StudyPlan, *, as_json: bool, is_talking: bool, stopping: list[bool]) -> None:
    """Start engines while there is room and something to start from, until nothing runs and nothing can start."""
    finished = {(job.run.seed, job.run.arm) for job in jobs if job.state is State.FINISHED}
    told = set(finished)
    while True:
        for job in jobs:
            _read(job, as_json=as_json)
            key = (job.run.seed, job.run.arm)
            if job.state is not None and job.state is not State.RUNNING and key not in told:
                told.add(key)
                finished |= {key} if job.state is State.FINISHED else set()
                if is_talking:
                    talk(f"{job.name}: {job.state}")
        running = sum(job.state is State.RUNNING for job in jobs)
        ready = [
            job
            for job in jobs
            if job.state is None and (not job.run.start or (job.run.seed, job.run.start) in finished)
        ]
        if not running and (stopping or not ready):
            return
        for job in ready[: 0 if stopping else plan.jobs - running]:
            job.engine = start_engine(job.folder, threads=max(1, (os.cpu_count() or 1) // plan.jobs))
            if is_talking:
                talk(f"{job.name}: started")
        time.sleep(POLL)


def _read(job: Job, *, as_json: bool) -> None:
    events = job.reader.poll()
    job.history.take(events)
    for event in events if as_json else ():
        if not isinstance(event, Damaged):
            out_json(_line(job, event), indent=None)


def _line(job: Job, event: Event) -> dict[str, object]:
    return {"study_seed": job.run.seed, "study_arm": job.run.arm, **as_dict(event)}


def _complain(job: Job) -> None:
    end = job.history.end
    reason = safe(end.reason if end else "the engine stopped without saying why", lines=True)
    hint = safe(end.hint if end else "", lines=True)
    complain(f"error: {job.name}: {reason}" + (f"\nhint: {hint}" if hint else ""))
    if not end and (tail := console_tail(job.folder)):
        complain(tail)


@contextmanager
def _interruptible(jobs: list[Job]) -> Iterator[list[bool]]:
    """While inside: Ctrl-C or SIGTERM stops all runs with a checkpoint, a second Ctrl-C kills them.

    Yields a list that is filled once the study is to stop.
    """
    stopping: list[bool] = []

    def stop(number: int, frame: FrameType | None) -> None:
        running = [job for job in jobs if job.engine is not None and job.engine.poll() is None]
        if stopping and number == signal.SIGINT:
            talk("killing the engines")
            for job in running:
                if job.engine is not None:
                    job.engine.kill()
            return
        stopping.append(True)
        talk("stopping all runs at their next safe points, with checkpoints; Ctrl-C again kills them")
        for job in running:
            send(job.folder, Command.STOP)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopping
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
