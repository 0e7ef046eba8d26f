"""A run at one moment: now, or earlier while it is replayed. Pure; copies nothing but curves.

A replay moves a moment through the whole history, so that scrubbing back costs nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import numpy as np

from irltui.runs.events import Advice, Alert, Evaluation, Phase, Sample
from irltui.runs.history import Progress, RunHistory
from irltui.views.curves import Curve, ascending

X_AXES = ("step", "tokens", "elapsed")


@dataclass(frozen=True)
class Moment:
    """A run after `row` metrics events; None is the present."""

    history: RunHistory
    row: int | None = None

    @property
    def rows(self) -> int:
        total = len(self.history.rows)
        return total if self.row is None else min(self.row, total)

    @property
    def time(self) -> float:
        """Unix seconds; infinity at the present."""
        if self.row is None:
            return math.inf
        return self.history.rows.time[self.rows - 1] if self.rows else self.history.first_time

    @property
    def step(self) -> int:
        if self.row is None:
            return self.history.step
        return int(self.history.rows.step[self.rows - 1]) if self.rows else 0

    @property
    def elapsed(self) -> float:
        return self.history.rows.elapsed[self.rows - 1] if self.rows else 0.0

    @property
    def progress(self) -> Progress:
        return self.history.progress if self.row is None else self.history.phase_at(self.time)

    def metrics(self) -> set[str]:
        return {name for name, series in self.history.metrics.items() if series.upto(self.rows)}

    def last(self, metric: str) -> float:
        series = self.history.metrics.get(metric)
        return series.last(series.upto(self.rows)) if series else math.nan

    def has(self, metric: str) -> bool:
        series = self.history.metrics.get(metric)
        return bool(series and series.upto(self.rows))

    def curve(self, metric: str, x_axis: str = "step") -> Curve:
        """A metric over "step", "tokens" or "elapsed"."""
        series = self.history.metrics.get(metric)
        count = series.upto(self.rows) if series else 0
        if series is None or not count:
            return Curve(np.empty(0), np.empty(0))
        rows = np.array(series.rows, dtype=np.int64)[:count]
        column = np.array(getattr(self.history.rows, x_axis))
        return ascending(column[rows], np.array(series.values)[:count])

    def extent(self, x_axis: str) -> tuple[float, float]:
        column = np.array(getattr(self.history.rows, x_axis))[: self.rows]
        column = column[np.isfinite(column)]
        return (float(column.min()), float(column.max())) if len(column) else (0.0, 1.0)

    def samples(self, outer_iteration: int) -> dict[str, Sample]:
        found = self.history.samples.get(outer_iteration, {})
        return found if self.row is None else {k: s for k, s in found.items() if s.time <= self.time}

    def sampled(self) -> list[int]:
        return [t for t in self.history.sampled() if self.samples(t)]

    def asked(self) -> list[Sample]:
        return [sample for sample in self.history.asked if sample.time <= self.time]

    def alerts(self) -> list[Alert | Advice]:
        return [message for message in self.history.messages() if message.time <= self.time]

    def evaluations(self) -> list[Evaluation]:
        return [evaluation for evaluation in self.history.evaluations if evaluation.time <= self.time]

    def seconds_left(self) -> float | None:
        """Estimated for the whole run from the pace of this attempt: with sampling and evaluation, without pauses."""
        history, rows = self.history, self.history.rows
        first = bisect_left(rows.time, history.start.time)
        begun = history.start.resumed_step or 0
        steps, total = self.step - begun, history.start.total_steps
        if steps <= 0 or total <= self.step or first >= self.rows:
            return None
        until = rows.time[self.rows - 1]
        worked = until - history.start.time - self._paused(history.start.time, until)
        return worked / steps * (total - self.step)

    def _paused(self, since: float, until: float) -> float:
        """Seconds between two times in which the engine was paused."""
        phases = self.history.phases
        ends = [*(phase.time for phase in phases[1:]), until]
        spans = (
            min(end, until) - max(one.time, since)
            for one, end in zip(phases, ends, strict=False)
            if one.phase == Phase.PAUSED
        )
        return sum(span for span in spans if span > 0)


@dataclass
class Replay:
    """A replay at `position` seconds of work, `speed` times as fast as the run was."""

    history: RunHistory
    position: float = 0.0
    speed: float = 1.0
    playing: bool = True
    length: float = field(init=False)

    def __post_init__(self) -> None:
        self.length = max(self.history.elapsed, 1e-9)
        self.speed = next((s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if self.length / s <= 30), 2000.0)

    def advance(self, seconds: float) -> None:
        """Advance by `seconds` of the viewer's time; pauses at the end."""
        if self.playing:
            self.position = min(self.length, self.position + seconds * self.speed)
            self.playing = self.position < self.length

    def scrub(self, share: float) -> None:
        """Move by a share of the whole run."""
        self.position = min(self.length, max(0.0, self.position + share * self.length))

    def moment(self) -> Moment:
        return Moment(self.history, bisect_right(self.history.rows.elapsed, self.position))
