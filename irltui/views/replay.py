"""A run as it was at one moment: now, or an earlier one while it is replayed. Pure; cuts, copies nothing but curves.

Replaying is looking at the whole history through a moment that moves, so that scrubbing back costs nothing.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field

import numpy as np

from irltui.runs.events import Advice, Alert, Evaluation, Sample
from irltui.runs.history import Progress, RunHistory
from irltui.views.curves import Curve, ascending

X_AXES = ("step", "tokens", "elapsed")


@dataclass(frozen=True)
class Moment:
    """What `history` held after `row` metrics events; None is all of it."""

    history: RunHistory
    row: int | None = None

    @property
    def rows(self) -> int:
        """How many metrics events there had been."""
        total = len(self.history.rows)
        return total if self.row is None else min(self.row, total)

    @property
    def time(self) -> float:
        """Unix seconds; infinity if it is all of the history."""
        if self.row is None:
            return math.inf
        return self.history.rows.time[self.rows - 1] if self.rows else self.history.first_time

    @property
    def step(self) -> int:
        """Optimizer steps."""
        if self.row is None:
            return self.history.step
        return int(self.history.rows.step[self.rows - 1]) if self.rows else 0

    @property
    def elapsed(self) -> float:
        """Seconds of work."""
        return self.history.rows.elapsed[self.rows - 1] if self.rows else 0.0

    @property
    def progress(self) -> Progress:
        """The phase."""
        return self.history.progress if self.row is None else self.history.phase_at(self.time)

    def metrics(self) -> set[str]:
        """Names that have occurred."""
        return {name for name, series in self.history.metrics.items() if series.upto(self.rows)}

    def last(self, metric: str) -> float:
        """The newest value, NaN if there is none."""
        series = self.history.metrics.get(metric)
        return series.last(series.upto(self.rows)) if series else math.nan

    def has(self, metric: str) -> bool:
        """Whether the metric has occurred."""
        series = self.history.metrics.get(metric)
        return bool(series and series.upto(self.rows))

    def curve(self, metric: str, x_axis: str = "step") -> Curve:
        """All points over step, tokens or elapsed seconds."""
        series = self.history.metrics.get(metric)
        count = series.upto(self.rows) if series else 0
        if series is None or not count:
            return Curve(np.empty(0), np.empty(0))
        rows = np.array(series.rows, dtype=np.int64)[:count]
        column = np.array(getattr(self.history.rows, x_axis))
        return ascending(column[rows], np.array(series.values)[:count])

    def extent(self, x_axis: str) -> tuple[float, float]:
        """The x axis from the first to the last point of any metric."""
        column = np.array(getattr(self.history.rows, x_axis))[: self.rows]
        column = column[np.isfinite(column)]
        return (float(column.min()), float(column.max())) if len(column) else (0.0, 1.0)

    def samples(self, outer_iteration: int) -> dict[str, Sample]:
        """Answers to the fixed prompts after an outer iteration."""
        found = self.history.samples.get(outer_iteration, {})
        return found if self.row is None else {k: s for k, s in found.items() if s.time <= self.time}

    def sampled(self) -> list[int]:
        """The outer iterations with answers."""
        return [t for t in self.history.sampled() if self.samples(t)]

    def asked(self) -> list[Sample]:
        """Answers to typed prompts."""
        return [sample for sample in self.history.asked if sample.time <= self.time]

    def alerts(self) -> list[Alert | Advice]:
        """Alerts and advice, oldest first."""
        return [message for message in self.history.messages() if message.time <= self.time]

    def evaluations(self) -> list[Evaluation]:
        """Benchmarks' results, oldest first."""
        return [evaluation for evaluation in self.history.evaluations if evaluation.time <= self.time]

    def seconds_left(self) -> float | None:
        """Estimate for the whole run from this attempt's pace, sampling and evaluation included."""
        history, rows = self.history, self.history.rows
        first = bisect_left(rows.time, history.start.time)
        begun = history.start.resumed_step or 0
        steps, total = self.step - begun, history.start.total_steps
        if steps <= 0 or total <= self.step or first >= self.rows:
            return None
        return (rows.time[self.rows - 1] - history.start.time) / steps * (total - self.step)


@dataclass
class Replay:
    """A run played again: `position` seconds of work into it, `speed` times as fast as it was."""

    history: RunHistory
    position: float = 0.0
    speed: float = 1.0
    playing: bool = True
    length: float = field(init=False)

    def __post_init__(self) -> None:
        self.length = max(self.history.elapsed, 1e-9)
        self.speed = next((s for s in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000) if self.length / s <= 30), 2000.0)

    def advance(self, seconds: float) -> None:
        """Let `seconds` of the viewer's time pass; holds at the end."""
        if self.playing:
            self.position = min(self.length, self.position + seconds * self.speed)
            self.playing = self.position < self.length

    def scrub(self, share: float) -> None:
        """Move by a share of the whole."""
        self.position = min(self.length, max(0.0, self.position + share * self.length))

    def moment(self) -> Moment:
        """The run at the position."""
        return Moment(self.history, bisect_right(self.history.rows.elapsed, self.position))
