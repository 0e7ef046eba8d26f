"""How a run is doing, from status.json and the lock alone: for listing many runs without reading their events."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from irltui.runs.events import number
from irltui.runs.folder import RunFolder
from irltui.runs.lock import is_held

HEARTBEAT_LATE = 120.0  # seconds without a sign of life after which an engine on another host is held for dead


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
    """The status as far as it can be read: a damaged or missing file is a run that is starting or crashed."""
    raw, written = _read(run)
    seen = number(raw.get("time")) or _modified(run)
    host = str(raw.get("host", os.uname().nodename))
    values = raw.get("values")
    return Status(
        state=written if written in ENDED or _alive(run, host, seen) else State.CRASHED,
        phase=str(raw.get("phase", "")),
        step=_count(raw, "step"),
        total_steps=_count(raw, "total_steps"),
        outer_iteration=_count(raw, "outer_iteration"),
        outer_iterations=_count(raw, "outer_iterations"),
        time=seen,
        host=host,
        values=values if isinstance(values, dict) else {},
    )


def _read(run: RunFolder) -> tuple[dict[str, Any], State]:
    try:
        raw: dict[str, Any] = json.loads(run.status.read_text(encoding="utf-8"))
        return raw, State(raw["state"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return {}, State.STARTING


def _count(raw: Mapping[str, Any], name: str) -> int:
    value = raw.get(name, 0)
    return value if isinstance(value, int) else 0


def _modified(run: RunFolder) -> float:
    try:
        return run.manifest.stat().st_mtime
    except OSError:
        return 0.0


def _alive(run: RunFolder, host: str, seen: float) -> bool:
    """Whether an engine still works here: the lock tells on its own host, its last sign of life elsewhere."""
    if host == os.uname().nodename and run.lock.exists():
        return is_held(run)
    return time.time() - seen < HEARTBEAT_LATE
