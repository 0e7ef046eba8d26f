"""Run a plan with processes on this machine: start engines as others end, pass signals on, report how each ended."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from subprocess import Popen

from irltui.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, EXIT_PREEMPTED
from irltui.experiments.plan import Plan, PlannedRun
from irltui.experiments.process import Asked, signals_to, start_engine
from irltui.runs.folder import RunFolder
from irltui.runs.lock import HEARTBEAT, hold_plan
from irltui.runs.status import ENDED, WORKING, State, read_status

POLL = 0.2  # seconds between looks at the engines
_CODES = {State.FINISHED: EXIT_OK, State.STOPPED: EXIT_INTERRUPTED, State.PREEMPTED: EXIT_PREEMPTED}


@dataclass
class Job:
    """One run of the plan, and its engine once started."""

    run: PlannedRun
    folder: RunFolder
    engine: Popen[bytes] | None = None
    end: State | None = None
    """How its engine ended."""

    @property
    def works(self) -> bool:
        return self.engine is not None and self.engine.poll() is None

    @property
    def state(self) -> State:
        """The run's state; an engine that ended without reporting an end has crashed."""
        if self.end is not None:
            return self.end
        state = read_status(self.folder).state
        if self.engine is None:
            return state
        if self.works:
            return state if state in WORKING else State.STARTING
        return state if state in ENDED else State.CRASHED

    @property
    def code(self) -> int:
        """The run's share of the common exit code."""
        returned = self.engine.returncode if self.engine is not None else EXIT_FAILED
        return _CODES.get(self.state, returned if returned > 0 else EXIT_FAILED)


class LocalWorkers:
    """Processes that run a plan.

    Args:
        plan: its runs have their folders.
        changed: called with a job when its engine starts and when it has ended.
        look: called at every look at the engines.
        keep: writes the rows that the triage of a finished run keeps, and says whether it could.
    """

    def __init__(
        self, plan: Plan, changed: Callable[[Job], None], look: Callable[[], None], keep: Callable[[RunFolder], bool]
    ) -> None:
        self._keep = keep
        self.jobs = [Job(run, plan.run_folder(run)) for run in plan.runs]
        self._plan, self._changed, self._look = plan, changed, look
        self._finished = {job.run.path for job in self.jobs if job.state is State.FINISHED}
        self._asked = Asked()

    def work(self) -> int:
        """Run unfinished jobs until all are finished or a signal ends it; returns the common exit code."""
        with hold_plan(self._plan.lock), signals_to(self._working) as self._asked:
            beat = time.monotonic()
            while self._go_on():
                time.sleep(POLL)
                if time.monotonic() - beat > HEARTBEAT:
                    os.utime(self._plan.lock)
                    beat = time.monotonic()
        return self._code()

    def _go_on(self) -> bool:
        """Note engines that ended and start those that are ready; False if none works and none can start."""
        for job in self.jobs:
            if job.engine is not None and not job.works and job.end is None:
                job.end = job.state
                if job.end is State.FINISHED:
                    self._finished.add(job.run.path)
                self._changed(job)
        self._look()
        working = len(self._working())
        ready = [] if self._asked.by else [job for job in self.jobs if self._is_ready(job)]
        for job in ready[: self._plan.jobs - working]:
            self._start(job)
            self._changed(job)
        return bool(working or ready)

    def _working(self) -> list[tuple[Popen[bytes], RunFolder]]:
        return [(job.engine, job.folder) for job in self.jobs if job.engine is not None and job.works]

    def _start(self, job: Job) -> None:
        if job.run.keep and not self._keep(RunFolder(self._plan.folder / job.run.keep)):
            job.end = State.FAILED
            return
        share = max(1, (os.cpu_count() or 1) // self._plan.jobs)
        job.engine = start_engine(job.folder, threads=share if self._plan.jobs > 1 else None)

    def _is_ready(self, job: Job) -> bool:
        is_new = job.engine is None and job.end is None and job.run.path not in self._finished
        return is_new and all(path in self._finished for path in (job.run.start, job.run.keep) if path)

    def _code(self) -> int:
        if len(self._finished) == len(self.jobs):
            return EXIT_OK
        if self._asked.by == signal.SIGINT:
            return EXIT_INTERRUPTED
        tried = [job for job in self.jobs if job.engine is not None or job.end is not None]
        codes = {job.code: None for job in tried if job.code != EXIT_OK}
        failed = [code for code in codes if code not in {EXIT_INTERRUPTED, EXIT_PREEMPTED}]
        return next(iter([*failed, *codes]), EXIT_PREEMPTED)
