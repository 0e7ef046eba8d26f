"""From events to the state of a run: the one fold that every surface reads.

`RunHistory` takes events in one pass and keeps what can be shown: curves, samples, evaluations, alerts, the progress
of the present phase, answers to commands. What a resume made void is forgotten. Knows no file and no screen.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from irltui.runs.events import (
    ASKED,
    VOIDABLE,
    Advice,
    Alert,
    Checkpoint,
    Control,
    Damaged,
    Data,
    Evaluation,
    Event,
    Figure,
    Log,
    Metrics,
    Phase,
    PhaseProgress,
    RunEnd,
    RunStart,
    Sample,
    System,
    Unknown,
)
from irltui.runs.series import Rows, Series

LONGEST_LOG = 1_000
MOST_METRICS = 2_000  # more names than that are damage
SYSTEM = "system/"
"""Stands before the names of a system event's values."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress in a phase that began at `since` (Unix seconds); a `total` of 0 is unknown."""

    time: float = 0.0
    since: float = 0.0
    phase: str = ""
    outer_iteration: int = 0
    done: int = 0
    total: int = 0
    unit: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Estimated from the pace of the phase; None before any progress."""
        if not 0 < self.done < self.total or self.time <= self.since:
            return None
        return (self.time - self.since) / self.done * (self.total - self.done)


@dataclass
class RunHistory:
    """Everything the events so far add up to.

    `samples` are by outer iteration, then prompt id; `asked` are answers to typed prompts. `phases` holds the
    beginning of each phase, `update` the last progress of the inner loop. `damaged` counts lines that are no events or
    not what their kind demands, `unknown` the kinds and fields of a newer irltui. `version` grows whenever something
    changed.
    """

    rows: Rows = field(default_factory=Rows)
    metrics: dict[str, Series] = field(default_factory=dict)
    samples: dict[int, dict[str, Sample]] = field(default_factory=dict)
    asked: list[Sample] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    advice: list[Advice] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    answers: dict[str, Control] = field(default_factory=dict)
    log: deque[Log] = field(default_factory=lambda: deque(maxlen=LONGEST_LOG))
    phases: list[Progress] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    update: Progress = field(default_factory=Progress)
    start: RunStart = field(default_factory=RunStart)
    data: Data | None = None
    first_time: float = 0.0
    last_time: float = 0.0
    end: RunEnd | None = None
    damaged: int = 0
    unknown: int = 0
    version: int = 0

    def __post_init__(self) -> None:
        self._takers: dict[type[Event], Callable[[Any], None]] = {
            RunStart: self._run_start,
            Data: self._data,
            PhaseProgress: self._phase,
            Metrics: self._metrics,
            System: self._system,
            Sample: self._sample,
            Evaluation: self.evaluations.append,
            Checkpoint: self.checkpoints.append,
            Alert: self.alerts.append,
            Advice: self._advice,
            Control: self._control,
            Log: self.log.append,
            RunEnd: self._run_end,
            Unknown: self._unknown,
        }

    def take(self, events: Iterable[Event]) -> None:
        takers = self._takers
        for event in events:
            if type(event) is Damaged:
                self.damaged += 1
                continue
            takers[type(event)](event)
            self.last_time = event.time
            self.unknown += event.passed_over
        self.version += 1

    @property
    def step(self) -> int:
        reached = int(self.rows.step[-1]) if len(self.rows) else 0
        return max(reached, self.start.resumed_step or 0)

    @property
    def elapsed(self) -> float:
        """Seconds of work, over all attempts."""
        return self.rows.elapsed[-1] if len(self.rows) else 0.0

    def sampled(self) -> list[int]:
        """The outer iterations that have samples, in order."""
        return sorted(self.samples)

    def values(self, name: str) -> Sequence[float]:
        """All values of a metric, or of a benchmark's figure (BENCHMARK/FIGURE), oldest first."""
        if series := self.metrics.get(name):
            return series.values
        benchmark, _, figure = name.partition("/")
        return [e.values[figure].mean for e in self.evaluations if e.benchmark == benchmark and figure in e.values]

    def first(self, metric: str) -> float:
        """A metric's oldest value, NaN if there is none."""
        found = self.metrics.get(metric)
        return found.values[0] if found else math.nan

    def last(self, metric: str) -> float:
        """A metric's newest value, NaN if there is none."""
        found = self.metrics.get(metric)
        return found.last() if found else math.nan

    def results(self) -> dict[tuple[str, str], tuple[Figure, Figure]]:
        """First and last figure of each (benchmark, metric), in the order of their first measurement."""
        found: dict[tuple[str, str], tuple[Figure, Figure]] = {}
        for evaluation in self.evaluations:
            for metric, figure in evaluation.values.items():
                key = evaluation.benchmark, metric
                found[key] = (found[key][0] if key in found else figure, figure)
        return found

    def messages(self) -> list[Alert | Advice]:
        """Alerts and advice, oldest first."""
        return sorted([*self.alerts, *self.advice], key=lambda message: message.seq)

    def phase_at(self, time: float) -> Progress:
        """The phase at a time, in Unix seconds."""
        at = bisect_right(self.phases, time, key=lambda phase: phase.time)
        return self.phases[at - 1] if at else Progress()

    # -- one method per kind -----------------------------------------------------------------------

    def _run_start(self, event: RunStart) -> None:
        if event.resumed_seq is not None:
            self._rewind(event.resumed_seq)
        self.end = None
        self.start = event
        self.first_time = self.first_time or event.time

    def _rewind(self, seq: int) -> None:
        """Drop what belongs to weights that a resume has lost."""
        left = self.rows.truncate(seq)
        for name, series in list(self.metrics.items()):
            series.truncate(left)
            if not len(series):
                del self.metrics[name]
        for t, samples in list(self.samples.items()):
            self.samples[t] = {key: sample for key, sample in samples.items() if sample.seq < seq}
            if not self.samples[t]:
                del self.samples[t]
        voided: tuple[list[Any], ...] = (self.asked, self.evaluations, self.alerts, self.advice)
        for events in voided:
            events[:] = [event for event in events if event.seq < seq]

    def _data(self, event: Data) -> None:
        self.data = event

    def _phase(self, event: PhaseProgress) -> None:
        before, phase = self.progress, event.phase
        t = before.outer_iteration
        if event.outer_iteration is not None and phase != Phase.PAUSED:
            t = event.outer_iteration
        goes_on = (phase, t, event.unit) == (before.phase, before.outer_iteration, before.unit)
        goes_on = goes_on and event.done >= before.done
        since = before.since if goes_on else event.time
        self.progress = Progress(event.time, since, phase, t, event.done, event.total, event.unit)
        if phase == Phase.UPDATE:
            self.update = self.progress
        if not goes_on:
            self.phases.append(self.progress)

    def _metrics(self, event: Metrics) -> None:
        self._row(event, event.values, event.tokens, event.elapsed, event.outer_iteration, event.inner_step)

    def _system(self, event: System) -> None:
        rows = self.rows
        tokens, elapsed, t = (rows.tokens[-1], rows.elapsed[-1], rows.outer_iteration[-1]) if len(rows) else (0, 0.0, 0)
        values = {SYSTEM + name: value for name, value in event.values.items()}
        self._row(event, values, tokens, elapsed, t, 0)

    def _row(  # the one path that a long run takes 100,000 times
        self,
        event: Metrics | System,
        values: Mapping[str, float],
        tokens: float,
        elapsed: float,
        outer_iteration: float,
        inner_step: int,
    ) -> None:
        rows, metrics = self.rows, self.metrics
        at = len(rows.seq)
        rows.seq.append(event.seq)
        rows.time.append(event.time)
        rows.step.append(event.step)
        rows.tokens.append(tokens)
        rows.elapsed.append(elapsed if math.isfinite(elapsed) else 0.0)
        rows.outer_iteration.append(outer_iteration)
        rows.inner_step.append(inner_step)
        for name, value in values.items():
            series = metrics.get(name)
            if series is None:
                if len(metrics) >= MOST_METRICS:
                    self.damaged += 1
                    continue
                series = metrics[name] = Series()
            series.rows.append(at)
            series.values.append(value)

    def _sample(self, event: Sample) -> None:
        if event.prompt_id == ASKED:
            self.asked.append(event)
        else:
            self.samples.setdefault(event.outer_iteration, {})[event.prompt_id] = event

    def _advice(self, event: Advice) -> None:
        """The newest advice on an outer iteration replaces earlier ones."""
        self.advice[:] = [kept for kept in self.advice if kept.outer_iteration != event.outer_iteration]
        self.advice.append(event)

    def _control(self, event: Control) -> None:
        self.answers[event.id] = event

    def _run_end(self, event: RunEnd) -> None:
        self.end = event

    def _unknown(self, event: Unknown) -> None:
        self.unknown += 1


def that_count(events: Iterable[Event]) -> list[Event]:
    """The events without damaged lines and without those that a later resume made void."""
    kept: list[Event] = []
    for event in events:
        if isinstance(event, RunStart) and event.resumed_seq is not None:
            seq = event.resumed_seq
            kept = [each for each in kept if each.seq < seq or not isinstance(each, VOIDABLE)]
        if not isinstance(event, Damaged):
            kept.append(event)
    return kept
