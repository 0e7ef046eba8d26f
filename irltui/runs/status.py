"""How a run is doing, from status.json and the lock: for listing many runs without reading their events.

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
from typing import Any

from irltui.runs.event_lines import decode, number
from irltui.runs.events import Metrics, RunEnd
from irltui.runs.folder import RunFolder
from irltui.runs.lock import is_held

HEARTBEAT_LATE = 120.0  # seconds after which an engine on another host that was not heard from counts as crashed
_TAIL = 1 << 16  # bytes of the log that stand for a missing status.json


class State(StrEnum):
    """States of a run; CRASHED is never written, it is inferred."""

    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    STOPPED = "stopped"
    PREEMPTED = "preempted"
    FAILED = "failed"
    CRASHED = "crashed"


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


def read_status(run: RunFolder) -> Status:
    """The status as far as it can be read; never an error."""
    raw = _read(run)
    seen = _finite(raw.get("time")) or _modified(run)
    host = str(raw.get("host", os.uname().nodename))
    values = raw.get("values")
    return Status(
        state=state_of(run, raw.get("state"), host, seen),
        phase=str(raw.get("phase", "")),
        step=_count(raw, "step"),
        total_steps=_count(raw, "total_steps"),
        outer_iteration=_count(raw, "outer_iteration"),
        outer_iterations=_count(raw, "outer_iterations"),
        time=seen,
        host=host,
        values=values if isinstance(values, dict) else {},
    )


def state_of(run: RunFolder, written: object, host: str, seen: float) -> State:
    """The one rule for a run's state.

    Args:
        run: its folder; the lock tells whether an engine works there.
        written: the state that the engine wrote last, anything else if it wrote none.
        host: where the engine was.
        seen: Unix seconds at which it was last heard from.
    """
    state = _state(written) or State.STARTING
    return state if state in ENDED or _alive(run, host, seen) else State.CRASHED


def _state(written: object) -> State | None:
    return State(written) if isinstance(written, str) and written in set(State) else None


def _read(run: RunFolder) -> dict[str, Any]:
    try:
        raw = json.loads(run.status.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return _of_log(run)
    return raw if isinstance(raw, dict) and _state(raw.get("state")) else _of_log(run)


def _of_log(run: RunFolder) -> dict[str, Any]:
    """What the last events say, for want of a status.json."""
    try:
        with run.events.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            lines = file.read().splitlines()
    except OSError:
        return {}
    found: dict[str, Any] = {}
    for event in map(decode, lines):
        if event.seq >= 0:
            found = {**found, "time": event.time, "state": None}
        if isinstance(event, Metrics):
            found |= {"step": event.step, "outer_iteration": event.outer_iteration}
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


def _alive(run: RunFolder, host: str, seen: float) -> bool:
    """Whether an engine still works here: the lock tells on its own host, the time it was last heard from elsewhere."""
    if host == os.uname().nodename and run.lock.exists():
        return is_held(run)
    return time.time() - seen < HEARTBEAT_LATE
