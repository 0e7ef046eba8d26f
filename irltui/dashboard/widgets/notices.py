"""Alerts, answers to commands and the last words of an engine, as lines."""

from __future__ import annotations

import time

from textual.content import Content

from irltui.dashboard.content import shown
from irltui.dashboard.store import OpenRun
from irltui.runs.status import State
from irltui.views.replay import Moment

_LEVELS = {
    "critical": ("!!", "bold $error"),
    "warning": ("!", "$warning"),
    "error": ("!!", "$error"),
    "advice": ("→", "$primary"),
}
_ANSWERS = {"applied": ("✓", "$success"), "accepted": ("…", "$secondary"), "rejected": ("✗", "$error")}
_LATE = 10.0


def notices(run: OpenRun, moment: Moment, most: int) -> list[Content]:
    """What a person should know now, the most urgent first, at most `most` lines."""
    lines = [*_problem(run), *_pending(run)]
    lines += [
        Content.assemble(_mark(_LEVELS, alert.level), " ", (f"step {alert.step}: ", "$secondary"), shown(alert.text))
        for alert in reversed(moment.alerts())
    ]
    if run.malformed:
        lines.append(Content.styled(f"! {run.malformed} damaged lines in events.jsonl were left out", "$warning"))
    lines += [_answer(command, state, detail) for command, state, detail in _answers(run)]
    return lines[:most]


def everything(run: OpenRun, moment: Moment) -> list[Content]:
    """All messages in the order of time: alerts, answers, checkpoints, the log."""
    history = run.history
    found = [(a.time, Content.assemble(_mark(_LEVELS, a.level), " ", shown(a.text))) for a in moment.alerts()]
    found += [(a.time, _answer(a.command, a.state, a.detail)) for a in history.answers.values()]
    found += [
        (c.time, Content.assemble(("▣ ", "$primary"), "checkpoint ", shown(c.name), f" ({c.bytes / 1e6:.0f} MB)"))
        for c in history.checkpoints
    ]
    found += [(line.time, Content.assemble(_mark(_LEVELS, line.level), " ", shown(line.text))) for line in history.log]
    found.sort(key=lambda item: item[0])
    lines = [Content.assemble((_clock(at), "$secondary"), "  ", text) for at, text in found if at <= moment.time]
    return [*lines, *_problem(run), *([_crashed(run)] if run.console else [])]


def _mark(table: dict[str, tuple[str, str]], level: str) -> Content:
    return Content.styled(*table.get(level, ("·", "$secondary")))


def _problem(run: OpenRun) -> list[Content]:
    if run.problem:
        return [Content.assemble(("!! ", "bold $error"), shown(run.problem))]
    if run.state is State.CRASHED and run.console:
        return [Content.assemble(("✗ ", "bold $error"), shown(run.console[-1], limit=300))]
    return []


def _crashed(run: OpenRun) -> Content:
    lines = [Content.styled("Last lines of the engine's console:", "bold $error")]
    return Content("\n").join([*lines, *(shown(line, limit=300) for line in run.console)])


def _pending(run: OpenRun) -> list[Content]:
    lines = []
    for command, sent in run.pending.values():
        late = run.clock() - sent > _LATE
        words = "no answer yet; an engine answers at its next safe point" if late else "sent"
        lines.append(Content.styled(f"… {command}: {words}", "$warning" if late else "$secondary"))
    return lines


def _answers(run: OpenRun) -> list[tuple[str, str, str]]:
    return [(a.command, a.state, a.detail) for a in reversed(list(run.history.answers.values()))]


def _answer(command: str, state: str, detail: str) -> Content:
    words = f" {shown(detail, limit=200)}" if detail else ""
    return Content.assemble(_mark(_ANSWERS, state), " ", shown(command, limit=20), " ", shown(state, limit=20), words)


def _clock(at: float) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "--:--:--"
