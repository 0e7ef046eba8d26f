"""Writes events and status of a run: one writer per folder, one write() per line."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

from irltui.errors import RunFolderError
from irltui.runs.durable import MAKE_ROOM, replace_json, writing
from irltui.runs.event_lines import encode, parsed
from irltui.runs.events import SCHEMA, Event
from irltui.runs.folder import RunFolder, open_own
from irltui.text import masked

STATUS_EVERY = 0.5  # seconds between replacements of status.json that only show progress


class RunWriter:
    """Appends events and keeps status.json up to date.

    Args:
        run: the folder.
        clock: Unix seconds; tests pass a fixed one.

    Attributes:
        observe: is given each event once it is written.
    """

    def __init__(self, run: RunFolder, clock: Callable[[], float] = time.time) -> None:
        self._run, self._clock = run, clock
        self.observe: Callable[[Event], None] = lambda _: None
        self._status: dict[str, Any] = {"schema": SCHEMA, "pid": os.getpid(), "host": os.uname().nodename}
        self._status_at = float("-inf")
        with writing(run.events, ""):
            self._seq = _mend_tail(run)
            self._file = open_own(run.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        os.close(self._file)

    @property
    def next_seq(self) -> int:
        return self._seq

    def write(self, event: Event) -> None:
        """Append one event; its `seq` and `time` are filled in here.

        Raises:
            RunFolderError: the line could not be written whole.
        """
        numbered = replace(event, seq=self._seq, time=self._clock())
        line = masked(encode(numbered).decode("utf-8")).encode("utf-8")
        with writing(self._run.events):
            written = os.write(self._file, line)
        if written != len(line):
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)  # no event may follow half a line
            raise RunFolderError(f"{self._run.events}: only part of a line could be written", MAKE_ROOM)
        self._seq += 1
        self.observe(numbered)

    def status(self, *, now: bool = False, **fields: Any) -> None:
        """Merge `fields` into status.json; replaced at most twice a second unless `now`."""
        self._status |= fields
        clock = self._clock()
        if not now and 0 <= clock - self._status_at < STATUS_EVERY:  # a clock may be put back
            return
        self._status_at = clock
        reason = masked(str(self._status.get("reason", "")))  # the only text that may quote user input
        with writing(self._run.status):
            replace_json(self._run.status, {**self._status, "time": clock, **({"reason": reason} if reason else {})})


class SilentWriter(RunWriter):
    """The writer of ranks other than the first, which write nothing."""

    def __init__(self) -> None:
        self._seq = 0

    def __exit__(self, *error: object) -> None:
        """Nothing is open."""

    def write(self, event: Event) -> None:
        self._seq += 1

    def status(self, *, now: bool = False, **fields: Any) -> None:
        """Nothing to keep up to date."""


def _mend_tail(run: RunFolder) -> int:
    """End a torn last line with a newline; returns the next `seq`."""
    if not run.events.exists():
        return 0
    seq = -1
    with os.fdopen(open_own(run.events, os.O_RDWR), "rb+") as file:
        line = b""
        for line in file:
            found = (parsed(line) or {}).get("seq")
            seq = max(seq, found) if type(found) is int else seq
        if line and not line.endswith(b"\n"):
            file.seek(0, os.SEEK_END)
            file.write(b"\n")
    return seq + 1
