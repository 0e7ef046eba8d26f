"""How a run is doing, from status.json and locks: for listing many runs without reading their events.

Where status.json is missing or damaged, the end of the log stands for it.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from irltui.runs.durable import tail
from irltui.runs.event_lines import decode, number
from irltui.runs.events import Metrics, RunEnd, RunStart
from irltui.runs.folder import PLAN_FILE, PLAN_LOCK, RunFolder
from irltui.runs.history import that_count
from irltui.runs.lock import LATE, is_held, is_worked_on
from irltui.runs.metrics import STATUS

_TAIL = 1 << 16  # bytes of the log that stand for a missing status.json


class State(StrEnum):
    """States of a run; WAITING and CRASHED are inferred, never written."""

    WAITING = "waiting"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    PREEMPTED = "preempted"
    FAILED = "failed"
    CRASHED = "crashed"


WORKING = frozenset({State.STARTING, State.RUNNING, State.PAUSED})
ENDED = frozenset({State.FINISHED, State.STOPPED, State.PREEMPTED, State.FAILED})


@dataclass(frozen=True)
class Status:
    """The contents of status.json, and the state that it and the lock add up to.

    `values` holds the latest of a few metrics by their names.
    """

    state: State
    phase: str
    step: int
    total_steps: int
    outer_iteration: int
    outer_iterations: int
    time: float
    host: str
    values: dict[str, Any]
    reason: str = ""


def read_status(run: RunFolder) -> Status:
    """The status as far as it can be read; never an error."""
    raw = _read(run)
    seen = _finite(raw.get("time")) or _modified(run)
    host = str(raw.get("host", os.uname().nodename))
    values = raw.get("values")
    return Status(
        state=state_of(run, _state(raw.get("state")), host, seen),
        phase=str(raw.get("phase", "")),
        step=_count(raw, "step"),
        total_steps=_count(raw, "total_steps"),
        outer_iteration=_count(raw, "outer_iteration"),
        outer_iterations=_count(raw, "outer_iterations"),
        time=seen,
        host=host,
        values=values if isinstance(values, dict) else {},
        reason=str(raw.get("reason", "")),
    )


def state_of(run: RunFolder, written: State | None, host: str, seen: float) -> State:
    """The one rule for a run's state: what its engine on `host` wrote last, and at `seen`, and what locks tell."""
    if written is State.FINISHED:
        return written
    if written not in ENDED and _is_alive(run, host, seen, has_written=written is not None):
        return written or State.STARTING
    plan = _plan_of(run)
    if plan is not None and is_worked_on(plan / PLAN_LOCK, seen if written or run.lock.exists() else 0.0):
        return State.WAITING
    if written in ENDED:
        return written
    if written or run.lock.exists():
        return State.CRASHED
    if run.job.exists():
        return State.WAITING  # in the queue of a cluster
    if plan is not None:
        return State.STOPPED  # its turn never came
    return State.STARTING if time.time() - seen < LATE else State.CRASHED


def _is_alive(run: RunFolder, host: str, seen: float, *, has_written: bool) -> bool:
    """Whether an engine works here: decided by the lock on its own host, by its last update elsewhere."""
    if host == os.uname().nodename and run.lock.exists():
        return is_held(run)
    return has_written and time.time() - seen < LATE


def _plan_of(run: RunFolder) -> Path | None:
    above = run.path.absolute().parents[:2]
    return next((folder for folder in above if (folder / PLAN_FILE).is_file()), None)


def _state(written: object) -> State | None:
    return State(written) if isinstance(written, str) and written in set(State) else None


def _read(run: RunFolder) -> dict[str, Any]:
    try:
        raw = json.loads(run.status.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return _of_log(run)
    return raw if isinstance(raw, dict) and _state(raw.get("state")) else _of_log(run)


def _of_log(run: RunFolder) -> dict[str, Any]:
    """Fields of a status, taken from the end of the log."""
    found: dict[str, Any] = {}
    for event in that_count(map(decode, tail(run.events, _TAIL).splitlines())):
        found |= {"time": event.time, "state": None}
        if isinstance(event, RunStart):
            found |= {"total_steps": event.total_steps, "outer_iterations": event.outer_iterations}
        elif isinstance(event, Metrics):
            shown = {name: event.values[name] for name in STATUS if name in event.values}
            values = {**found.get("values", {}), **shown}
            found |= {"step": event.step, "outer_iteration": event.outer_iteration, "values": values}
        elif isinstance(event, RunEnd):
            found["state"] = event.state
    return found


def _count(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name, 0)
    return value if type(value) is int else 0


def _finite(value: object) -> float:
    found = number(value)
    return found if found is not None and math.isfinite(found) else 0.0


def _modified(run: RunFolder) -> float:
    try:
        return run.manifest.stat().st_mtime
    except OSError:
        return 0.0
