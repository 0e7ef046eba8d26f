"""What the engine says while it works: events with the position filled in, status.json beside them."""

from __future__ import annotations

import contextlib
import math
import resource
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import psutil
import torch

from irltui.engine.health import Problem
from irltui.engine.position import Position
from irltui.runs.events import Alert, Evaluation, Event, Log, Metrics, Phase, PhaseProgress, System
from irltui.runs.metrics import STATUS
from irltui.runs.status import State
from irltui.runs.writer import RunWriter

PROGRESS_EVERY = 0.5  # seconds between progress events of one phase
SYSTEM_EVERY = 10.0  # seconds between looks at the memory

Track = Callable[[Mapping[str, float], int], None]
"""Takes metrics and the optimizer steps so far."""
HandOver = Callable[[Alert], None]


class Journal:
    """Writes what happens to one run at one position, which moves while it trains; `hand_over` gets all alerts as well.

    Attributes:
        track: gets all metrics as well, and the means of benchmarks as `benchmark/metric`.
        current_phase: None before the first.
    """

    def __init__(self, writer: RunWriter, position: Position, hand_over: HandOver = lambda _: None) -> None:
        self.position = position
        self.track: Track = lambda _values, _step: None
        self._hand_over = hand_over
        self._writer = writer
        self._resumed_at, self._before = time.monotonic(), position.elapsed
        self.current_phase: Phase | None = None
        self._said: tuple[int, int, int, str] | None = None  # of the phase: outer iteration, done, total, unit
        self._progress_at = 0.0
        self._looked_at = time.monotonic()

    def elapsed(self) -> float:
        """Seconds of work, over all attempts."""
        return self._before + time.monotonic() - self._resumed_at

    def mark(self) -> None:
        """The position has been reached: what follows is void if the run restarts from here."""
        self.position.seq = self._writer.next_seq
        self.position.elapsed = self.elapsed()

    def phase(self, phase: Phase, done: int = 0, total: int = 0, unit: str = "") -> None:
        """Say what is being done; progress within a phase at most twice a second, but always its end (once)."""
        now = time.monotonic()
        if now - self._looked_at >= SYSTEM_EVERY:
            self._looked_at = now
            self._writer.write(System(system_now(), self.position.step))
        changed, says = phase is not self.current_phase, (self.position.t, done, total, unit)
        if not changed and (says == self._said or not (done == total or now - self._progress_at >= PROGRESS_EVERY)):
            return
        self.current_phase, self._said, self._progress_at = phase, says, now
        self._writer.write(PhaseProgress(phase, self.position.t, done, total, unit))
        self.status(phase=phase, now=changed)

    def metrics(self, values: Mapping[str, float]) -> None:
        position = self.position
        elapsed = round(self.elapsed(), 3)
        self._writer.write(Metrics(dict(values), position.step, position.t, position.k, position.tokens, elapsed))
        self.track(values, position.step)
        shown = {name: values[name] for name in STATUS if name in values}
        position.shown = {name: value for name, value in (position.shown | shown).items() if math.isfinite(value)}
        self.status()

    def report(self, found: Iterable[Problem]) -> None:
        """Write alerts, each cause once per outer iteration."""
        for problem in found:
            if problem.code not in self.position.alerted:
                self.position.alerted.append(problem.code)
                self.alert(problem.code, problem.text)

    def alert(self, code: str, text: str, *, level: str = "warning") -> None:
        alert = Alert(self.position.step, level, code, text)
        self._writer.write(alert)
        self._hand_over(alert)

    def log(self, text: str, *, level: str = "info") -> None:
        self._writer.write(Log(level, text))

    def event(self, event: Event) -> None:
        self._writer.write(event)
        if isinstance(event, Evaluation):
            means = {f"{event.benchmark}/{name}": figure.mean for name, figure in event.values.items()}
            self.track(means, self.position.step)

    def status(self, *, now: bool = False, **fields: Any) -> None:
        self._writer.status(
            now=now,
            state=State.RUNNING,
            step=self.position.step,
            outer_iteration=self.position.t,
            values=self.position.shown,
            **fields,
        )

    def system(self) -> None:
        self.metrics({"memory/peak_bytes": float(peak_memory())})


def system_now() -> dict[str, float]:
    """What the process holds and how busy the machine is: memory, processors, and the GPU if it computes there."""
    held = {"memory_bytes": float(psutil.Process().memory_info().rss)}
    held |= {"cpu_percent": psutil.cpu_percent(), "host_memory_percent": psutil.virtual_memory().percent}
    if torch.cuda.is_available():
        held["gpu_memory_bytes"] = float(torch.cuda.memory_allocated())
        with contextlib.suppress(Exception):  # no nvidia-ml-py, no driver, no permission: a figure ends no run
            held |= {"gpu_percent": float(torch.cuda.utilization()), "gpu_celsius": float(torch.cuda.temperature())}
    return held


def peak_memory() -> int:
    """Most bytes this process has held: of GPU memory if it computes there, else resident."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
