"""Which ranks are alive, and why one left: each locks a file, which the system unlocks when the rank ends.

Knows no accelerator and no launcher: ranks are numbers here.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from irltui.runs.durable import replace_file
from irltui.runs.folder import RunFolder, open_own
from irltui.runs.lock import try_lock

SETTLE = 3.0  # seconds in which a peer that closed its connection must have unlocked its file


@dataclass(frozen=True)
class RankEnd:
    """A rank that has left; `reason` is "" if it reported none."""

    rank: int
    pid: int
    host: str
    reason: str = ""
    followed: bool = False
    """It left because another had."""

    def __str__(self) -> str:
        why = self.reason or "killed, or its node is gone"
        return f"rank {self.rank} (pid {self.pid} on {self.host}): {why}"


def console_of(run: RunFolder, rank: int) -> Path:
    """The file with a rank's output: console.log for the first, ranks/N.log for the others."""
    return run.ranks / f"{rank}.log" if rank else run.console


@contextmanager
def present(run: RunFolder, rank: int) -> Generator[None]:
    """Hold the rank's lock file while inside; the system releases it if the process dies."""
    run.ranks.mkdir(mode=0o700, exist_ok=True)
    with os.fdopen(open_own(run.ranks / f"{rank}.lock", os.O_RDWR | os.O_CREAT), "r+", encoding="utf-8") as file:
        try_lock(file.fileno(), shared=True)
        leave_word(run, RankEnd(rank, os.getpid(), os.uname().nodename))
        yield


def leave_word(run: RunFolder, end: RankEnd) -> None:
    """Write the rank's process and host, or why it leaves, to ranks/N.json."""
    replace_file(run.ranks / f"{end.rank}.json", json.dumps(asdict(end)).encode())


def missing(run: RunFolder, count: int, me: int) -> list[RankEnd]:
    """The ranks below `count` that have left, causes before consequences. Waits up to `SETTLE` seconds for one."""
    until = time.monotonic() + SETTLE
    while True:
        gone = [_word(run, rank) for rank in range(count) if rank != me and not _lives(run, rank)]
        if gone or time.monotonic() > until:
            return sorted(gone, key=lambda end: (end.followed, end.rank))
        time.sleep(0.05)


def _lives(run: RunFolder, rank: int) -> bool:
    try:
        with (run.ranks / f"{rank}.lock").open("a+", encoding="utf-8") as file:
            free = try_lock(file.fileno())
    except OSError:
        return False
    if free is None:  # no locks here: only a process of this host can be looked for
        word = _word(run, rank)
        return not word.reason and (word.host != os.uname().nodename or psutil.pid_exists(word.pid))
    return not free


def _word(run: RunFolder, rank: int) -> RankEnd:
    try:
        return RankEnd(**json.loads((run.ranks / f"{rank}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return RankEnd(rank, 0, "?")
