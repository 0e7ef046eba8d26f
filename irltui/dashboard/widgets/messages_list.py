"""Everything a run said, in the order of time: alerts, answers, checkpoints, the log; and the engine's console."""

from __future__ import annotations

import time

from irltui.dashboard.store import OpenRun
from irltui.runs.status import State
from irltui.text import safe
from irltui.views.numbers import bytes_
from irltui.views.replay import Moment
from irltui.views.spans import Row, S, flow

_LEVELS = {
    "critical": ("!!", "bad"),
    "error": ("!!", "bad"),
    "warning": ("! ", "warn"),
    "advice": ("› ", "good"),
}
_ANSWERS = {"applied": ("✓ ", "good"), "accepted": ("› ", "muted"), "rejected": ("✗ ", "bad")}
_INDENT = len("00:00:00  !! ")
_HINT = "i shows the engine's console, esc goes back"


def message_rows(run: OpenRun, moment: Moment, width: int) -> list[Row]:
    """All messages up to a moment, oldest first, each in as many rows as it takes."""
    history = run.history
    found = [(a.time, _marked(_LEVELS.get(a.level), f"step {a.step}: {safe(a.text)}")) for a in moment.alerts()]
    found += [
        (a.time, _marked(_ANSWERS.get(a.state), f"{safe(a.command)} {safe(a.state)} {safe(a.detail)}"))
        for a in history.answers.values()
    ]
    found += [
        (c.time, _marked(("▣ ", "foreground"), f"checkpoint {safe(c.name)} ({bytes_(c.bytes)})"))
        for c in history.checkpoints
    ]
    found += [(line.time, _marked(_LEVELS.get(line.level), safe(line.text))) for line in history.log]
    found.sort(key=lambda item: item[0])
    rows: list[Row] = []
    for at, (mark, text) in found:
        if at <= moment.time:
            first, *more = flow([text], max(width, _INDENT + 8), _INDENT)
            rows += [[S(f"{_clock(at)}  ", "muted"), mark, *first[1:]], *more]
    if history.damaged:
        rows.append([S(f"! {history.damaged} damaged lines in events.jsonl were left out", "warn")])
    head: list[Row] = [[S("Messages", "foreground", "b"), S(f"   {_HINT}", "muted")], []]
    tail = [[], *console_rows(run)] if run.state in {State.CRASHED, State.FAILED} and run.console else []
    return [*head, *(rows or [[S("No messages yet.", "muted")]]), *tail]


def console_rows(run: OpenRun) -> list[Row]:
    """The last lines that the engine printed."""
    ink = "bad" if run.state in {State.CRASHED, State.FAILED} else "foreground"
    lines = [[S(safe(line, limit=300))] for line in run.console]
    nothing: list[Row] = [[S("The engine has printed nothing.", "muted")]]
    return [[S("Last lines of the engine's console", ink, "b")], [], *(lines or nothing)]


def _marked(mark: tuple[str, str] | None, text: str) -> tuple[S, S]:
    character, ink = mark or ("· ", "muted")
    return S(f"{character} ", ink, "b"), S(text)


def _clock(at: float) -> str:
    try:
        return time.strftime("%H:%M:%S", time.localtime(at))
    except (OverflowError, ValueError, OSError):
        return "--:--:--"
