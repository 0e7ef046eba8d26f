"""A run as plain text, one line per event: for logs, pipes and terminals that can only print."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from irltui.runs.events import (
    Advice,
    Alert,
    Checkpoint,
    Control,
    Evaluation,
    Event,
    Figure,
    Log,
    Metrics,
    PhaseProgress,
    RunEnd,
    RunStart,
    Sample,
)
from irltui.text import safe
from irltui.views.numbers import between, bytes_, duration, figure

PROGRESS_EVERY = 10.0  # seconds of a run between two lines on the progress of one phase
_SHORT = 60


class Lines:
    """Turns events into lines; repeated progress of a phase is thinned out."""

    def __init__(self) -> None:
        self._phase: tuple[str, int | None] = ("", -1)
        self._phase_at = 0.0

    def line(self, event: Event) -> str:
        """The event's line with its time of day, "" if there is nothing new in it."""
        if isinstance(event, PhaseProgress) and not self._is_news(event):
            return ""
        words = _WORDS.get(type(event))
        text = words(event) if words else ""
        return f"{time.strftime('%H:%M:%S', time.localtime(event.time))}  {text}" if text else ""

    def _is_news(self, event: PhaseProgress) -> bool:
        phase = event.phase, event.outer_iteration
        if phase == self._phase and event.time - self._phase_at < PROGRESS_EVERY:
            return False
        self._phase, self._phase_at = phase, event.time
        return True


def interval(result: Figure) -> str:
    return f"{figure(result.mean)}{between(result.low, result.high)} (n {result.n})"


def _run_start(event: RunStart) -> str:
    plan = f"{event.outer_iterations} outer iterations, {event.total_steps} steps"
    again = f", continued from step {event.resumed_step}" if event.resumed_step is not None else ""
    return f"{_text(event.algorithm)}: {plan}{again} (pid {event.pid})"


def _phase(event: PhaseProgress) -> str:
    progress = f"  {event.done}/{event.total} {_text(event.unit)}".rstrip() if event.total else ""
    where = f"{_outer(event.outer_iteration)}  " if event.outer_iteration is not None else ""
    return f"{where}{_text(event.phase)}{progress}"


def _metrics(event: Metrics) -> str:
    values = (f"{safe(name)} {figure(value)}" for name, value in event.values.items())
    return "  ".join([_outer(event.outer_iteration), f"step {event.step}", *values])


def _outer(t: int) -> str:
    return "start" if t < 0 else f"outer {t + 1}"


def _sample(event: Sample) -> str:
    scored = f"  (reward {figure(event.reward)})" if event.reward is not None else ""
    return f"sample  {_quoted(event.prompt)} -> {_quoted(event.generation)}{scored}"


def _evaluation(event: Evaluation) -> str:
    results = [f"{safe(name)} {interval(result)}" for name, result in event.values.items()]
    return "  ".join([f"evaluation  {_text(event.benchmark)}", *results])


def _control(event: Control) -> str:
    detail = f": {_text(event.detail)}" if event.detail else ""
    return f"{_text(event.command) or 'command'} {_text(event.state)}{detail}"


def _text(value: str) -> str:
    return safe(value, limit=2_000)


def _quoted(value: str) -> str:
    return f'"{safe(value, limit=_SHORT)}"'


_WORDS: dict[type[Event], Callable[[Any], str]] = {
    RunStart: _run_start,
    PhaseProgress: _phase,
    Metrics: _metrics,
    Sample: _sample,
    Evaluation: _evaluation,
    Checkpoint: lambda event: f"checkpoint {_text(event.name)} ({bytes_(event.bytes)}, {duration(event.seconds)})",
    Alert: lambda event: f"{_text(event.level)}: {_text(event.text)}",
    Advice: lambda event: f"advice: {_text(event.text)}",
    Control: _control,
    Log: lambda event: _text(event.text),
    RunEnd: lambda event: f"{_text(event.state)}{f': {_text(event.reason)}' if event.reason else ''}",
}
