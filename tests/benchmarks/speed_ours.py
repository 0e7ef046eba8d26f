"""One outer iteration of the real engine with a clock beside it: `python speed_ours.py RUN OUT [profile]`.

The clock reads wall and CPU seconds at every phase event, adds up what Journal and RunWriter take, and, if asked,
profiles every phase by operator. The engine does not know.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

import irltui.engine.trainer as drive
from irltui.engine.__main__ import main
from irltui.engine.journal import Journal
from irltui.runs.events import Event, Phase, PhaseProgress
from irltui.runs.folder import open_run_folder
from irltui.runs.writer import RunWriter
from irltui.samplers.store import SampleStore, iteration_name

MEASURED = (Phase.SAMPLE, Phase.REFERENCE, Phase.UPDATE)
OPERATORS = 14


class Clock:
    """Seconds of every phase, and of the pen within it."""

    def __init__(self, profiles: bool) -> None:
        self.wall: dict[str, float] = defaultdict(float)
        self.cpu: dict[str, float] = defaultdict(float)
        self.pen: dict[str, float] = defaultdict(float)
        self.tables: dict[str, str] = {}
        self.peak = self.events = 0
        self._profiles, self._profile = profiles, None
        self._phase = ""
        self._since = (time.perf_counter(), time.process_time())
        self._depth = 0

    def phase(self, name: str) -> None:
        """The phase that goes on, or another, from now on."""
        now = (time.perf_counter(), time.process_time())
        self.wall[self._phase] += now[0] - self._since[0]
        self.cpu[self._phase] += now[1] - self._since[1]
        self._since = now
        if self._phase in MEASURED:  # before checkpoints and export, which the peer does not do
            self.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        if self._profiles and name != self._phase:
            self._change_profile(name)
        self._phase = name

    def _change_profile(self, name: str) -> None:
        if self._profile is not None:
            self._profile.stop()
            averages = self._profile.key_averages()
            self.tables[self._phase] = averages.table(
                sort_by="self_cpu_time_total", row_limit=OPERATORS, max_name_column_width=40
            )
        self._profile = profile(activities=[ProfilerActivity.CPU], acc_events=True) if name in MEASURED else None
        if self._profile is not None:
            self._profile.start()

    def times(self, owner: Any, name: str) -> None:
        """Count what a function takes as the pen's, unless it was called by another such."""
        inner: Callable[..., Any] = getattr(owner, name)

        def timed(*given: Any, **named: Any) -> Any:
            began, phase = time.perf_counter(), self._phase
            self._depth += 1
            try:
                return inner(*given, **named)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.pen[phase] += time.perf_counter() - began

        setattr(owner, name, timed)


def watch(clock: Clock) -> None:
    """Put the clock beside the engine."""
    write = RunWriter.write

    def written(self: RunWriter, event: Event) -> None:
        clock.events += 1
        write(self, event)
        if isinstance(event, PhaseProgress):
            clock.phase(event.phase)

    RunWriter.write = written
    for name in ("write", "status"):
        clock.times(RunWriter, name)
    for name in ("phase", "metrics", "report", "alert", "log", "event", "status", "mark"):
        clock.times(Journal, name)
    clock.times(drive, "step_metrics")


def run(folder: Path, profiles: bool) -> dict[str, Any]:
    """Seconds a phase, generations, memory."""
    clock = Clock(profiles)
    watch(clock)
    code = main([str(folder)])
    if code:
        raise SystemExit(code)
    samples = open_run_folder(folder).samples
    store = SampleStore(samples, iteration_name(0)) if any(samples.iterdir()) else None  # none for sft
    lengths = {name: len(generation.tokens) for name, generation in store.generations.items()} if store else {}
    return {
        "wall": {phase: clock.wall[phase] for phase in MEASURED},
        "cpu": {phase: clock.cpu[phase] for phase in MEASURED},
        "pen": {phase: clock.pen[phase] for phase in MEASURED},
        "generated": lengths,
        "peak": clock.peak,
        "events": clock.events,
        "profiles": clock.tables,
    }


if __name__ == "__main__":
    found = run(Path(sys.argv[1]), "profile" in sys.argv[3:])
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
