"""One engine a run folder: a lock that the operating system releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from irltui.errors import RunFolderError
from irltui.runs.folder import RunFolder

_TRIES, _BETWEEN = 5, 0.05  # seconds


@contextmanager
def hold(run: RunFolder) -> Iterator[None]:
    """Hold the run for this process.

    Raises:
        RunFolderError: another engine holds it, or the folder cannot be written.
    """
    with _opened(run) as file:
        if not _acquired(file.fileno()):
            file.seek(0)
            raise RunFolderError(
                f"{run.path}: another engine works here ({file.read().strip()})",
                "Watch it, stop it with `irltui ctl RUN stop`, or choose another --out.",
            )
        file.seek(0)
        file.truncate()
        file.write(f"pid {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
        yield


def _opened(run: RunFolder) -> TextIO:
    try:
        return run.lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(
            f"{run.lock}: cannot be opened for writing: {error}",
            "An engine needs to write in its run folder: is it read-only, or somebody else's?",
        ) from error


def _acquired(descriptor: int) -> bool:
    """Viewers take the lock for an instant to see whether it is held: that is no engine."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN)
        else:
            return True
    return False
