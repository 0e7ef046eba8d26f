"""The lock of a plan of several runs, held while they are worked on: runs whose turn has not come are then waiting."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from irltui.errors import BusyError, RunFolderError
from irltui.runs.lock import try_lock

HEARTBEAT, LATE = 30.0, 120.0  # seconds between two touches; seconds after which one on another host has ended
_HOLDER = re.compile(r"pid (?P<pid>\d+) on (?P<host>\S+) since (?P<since>[\d.]+)")


@dataclass(frozen=True)
class Holder:
    """A process that holds a lock since `since`, and last touched it at `heard` (Unix seconds)."""

    pid: str
    host: str
    since: float
    heard: float


@contextmanager
def hold_plan(file: Path) -> Generator[None]:
    """Hold the lock of a plan for this process.

    Raises:
        BusyError: another process holds it.
        RunFolderError: it cannot be written.
    """
    try:
        opened = file.open("a+", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{file}: cannot be opened for writing: {error}", "Choose another --out.") from error
    with opened:
        if try_lock(opened.fileno()) is False:
            found = holder(file)
            by = f" (pid {found.pid} on {found.host})" if found else ""
            raise BusyError(
                f"{file.parent}: another process is working on these runs{by}",
                "List them with `irltui runs FOLDER`, or choose another --out.",
            )
        opened.seek(0)
        opened.truncate()
        opened.write(f"pid {os.getpid()} on {os.uname().nodename} since {time.time():.3f}\n")
        opened.flush()
        yield


def is_worked_on(file: Path, since: float) -> bool:
    """Whether a process that started after `since` (Unix seconds) is working on the plan."""
    found = holder(file)
    if found is None or found.since < since:
        return False
    if found.host != os.uname().nodename:
        return time.time() - found.heard < LATE
    try:
        with file.open("rb") as opened:
            return try_lock(opened.fileno(), shared=True) is False
    except OSError:
        return False


def holder(file: Path) -> Holder | None:
    """The present or last holder of a lock, None if there was none."""
    try:
        found = _HOLDER.fullmatch(file.read_text(encoding="utf-8", errors="replace").strip())
        return found and Holder(found["pid"], found["host"], float(found["since"]), file.stat().st_mtime)
    except (OSError, ValueError):
        return None
