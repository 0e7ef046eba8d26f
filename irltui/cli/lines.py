"""A run as plain text, one line an event: for logs, pipes and terminals that can only print."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from irltui.cli.progress import table, whole
from irltui.runs.events import Event, Kind
from irltui.text import safe
from irltui.views.terminal import figure

PROGRESS_EVERY = 10.0  # seconds of a run between two lines on the progress of one phase
_SHORT = 60


class Lines:
    """Turns events into lines; what one phase repeats about its progress is thinned out."""

    def __init__(self) -> None:
        self._phase: tuple[Any, Any] = ("", -1)
        self._phase_at = 0.0

    def line(self, event: Event) -> str:
        """The event's line with its time of day, "" if it says nothing new."""
        if event.kind == Kind.PHASE and not self._is_news(event):
            return ""
        words = _WORDS.get(event.kind)
        text = words(event.fields) if words else ""
        return f"{time.strftime('%H:%M:%S', time.localtime(event.time))}  {text}" if text else ""

    def _is_news(self, event: Event) -> bool:
        phase = (event.fields.get("phase"), event.fields.get("outer_iteration"))
        if phase == self._phase and event.time - self._phase_at < PROGRESS_EVERY:
            return False
        self._phase, self._phase_at = phase, event.time
        return True


def _run_start(fields: Mapping[str, Any]) -> str:
    plan = f"{whole(fields.get('outer_iterations'))} outer iterations, {whole(fields.get('total_steps'))} steps"
    resumed = fields.get("resumed_step")
    again = f", continued from step {whole(resumed)}" if resumed is not None else ""
    return f"{_text(fields, 'algorithm')}: {plan}{again} (pid {whole(fields.get('pid'))})"


def _phase(fields: Mapping[str, Any]) -> str:
    total = whole(fields.get("total"))
    progress = f"  {whole(fields.get('done'))}/{total} {_text(fields, 'unit')}".rstrip() if total else ""
    where = f"outer {whole(fields['outer_iteration'])}  " if "outer_iteration" in fields else ""
    return f"{where}{_text(fields, 'phase')}{progress}"


def _metrics(fields: Mapping[str, Any]) -> str:
    values = table(fields.get("values"))
    place = f"outer {whole(fields.get('outer_iteration'))}  step {whole(fields.get('step'))}"
    return "  ".join([place, *(f"{safe(name)} {figure(value)}" for name, value in values.items())])


def _sample(fields: Mapping[str, Any]) -> str:
    reward = fields.get("reward")
    scored = f"  (reward {figure(reward)})" if reward is not None else ""
    return f"sample  {_quoted(fields, 'prompt')} -> {_quoted(fields, 'generation')}{scored}"


def _evaluation(fields: Mapping[str, Any]) -> str:
    results = [f"{safe(name)} {interval(table(result))}" for name, result in table(fields.get("values")).items()]
    return "  ".join([f"evaluation  {_text(fields, 'benchmark')}", *results])


def _checkpoint(fields: Mapping[str, Any]) -> str:
    megabytes = whole(fields.get("bytes")) / 1e6
    return f"checkpoint {_text(fields, 'name')} ({megabytes:.1f} MB, {figure(fields.get('seconds'))} s)"


def _control(fields: Mapping[str, Any]) -> str:
    detail = _text(fields, "detail")
    return f"{_text(fields, 'command') or 'command'} {_text(fields, 'state')}{f': {detail}' if detail else ''}"


def _run_end(fields: Mapping[str, Any]) -> str:
    reason = _text(fields, "reason")
    return f"{_text(fields, 'state')}{f': {reason}' if reason else ''}"


def interval(result: Mapping[str, Any]) -> str:
    """A benchmark's result: mean, interval and count."""
    span = f" [{figure(result.get('low'))}, {figure(result.get('high'))}]" if "low" in result else ""
    return f"{figure(result.get('mean'))}{span} (n {whole(result.get('n'))})"


def _text(fields: Mapping[str, Any], name: str) -> str:
    return safe(fields.get(name, ""), limit=2_000)


def _quoted(fields: Mapping[str, Any], name: str) -> str:
    return f'"{safe(fields.get(name, ""), limit=_SHORT)}"'


_WORDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    Kind.RUN_START: _run_start,
    Kind.PHASE: _phase,
    Kind.METRICS: _metrics,
    Kind.SAMPLE: _sample,
    Kind.EVALUATION: _evaluation,
    Kind.CHECKPOINT: _checkpoint,
    Kind.ALERT: lambda fields: f"{_text(fields, 'level')}: {_text(fields, 'text')}",
    Kind.ADVICE: lambda fields: f"advice: {_text(fields, 'text')}",
    Kind.CONTROL: _control,
    Kind.LOG: lambda fields: _text(fields, "text"),
    Kind.RUN_END: _run_end,
}
