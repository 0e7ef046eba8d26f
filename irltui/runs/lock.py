"""One engine a run folder: a lock that the operating system releases when its holder dies, however it dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from irltui.errors import RunFolderError
from irltui.runs.folder import RunFolder


@contextmanager
def hold(run: RunFolder) -> Iterator[None]:
    """Hold the run for this process.

    Raises:
        RunFolderError: another engine holds it.
    """
    with run.lock.open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise RunFolderError(
                f"{run.path}: another engine works here ({file.read().strip()})",
                "Watch it, stop it with `irltui ctl RUN stop`, or choose another --out.",
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"pid {os.getpid()} on {os.uname().nodename}\n")
        file.flush()
        yield
