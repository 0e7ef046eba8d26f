"""Following events.jsonl: live, attached, replayed and headless views are all this reader.

It polls (network file systems lose notifications), never blocks the writer and waits for the rest of a torn last line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from irltui.runs.event_lines import decode
from irltui.runs.events import Damaged, Event
from irltui.runs.history import RunHistory

CHUNK = 1 << 16
LONGEST_LINE = 1 << 24  # a longer "line" is damage, not an event


class EventReader:
    """Events of one file, each `poll` continuing where the last one ended; malformed lines are `Damaged`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset, self._rest = 0, b""
        self._inode: int | None = None

    def poll(self, limit: int = 5_000) -> list[Event]:
        """Up to about `limit` new events; empty if there are none yet or the file is gone.

        A file that was replaced or truncated is read again from its start.
        """
        events: list[Event] = []
        try:
            with self._path.open("rb") as file:
                self._notice_replacement(os.fstat(file.fileno()))
                file.seek(self._offset)
                while len(events) < limit and (chunk := file.read(CHUNK)):
                    self._offset += len(chunk)
                    events.extend(self._split(chunk))
        except OSError:
            return events
        return events

    @property
    def caught_up(self) -> bool:
        """Whether the last poll reached the present end of the file."""
        try:
            return self._offset >= self._path.stat().st_size
        except OSError:
            return True

    def _notice_replacement(self, stat: os.stat_result) -> None:
        if self._inode not in (None, stat.st_ino) or stat.st_size < self._offset:
            self._offset, self._rest = 0, b""
        self._inode = stat.st_ino

    def _split(self, chunk: bytes) -> Iterator[Event]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
            yield Damaged("a line without an end")
        for line in lines:
            if line.strip():
                yield decode(line)


def read_events(path: Path) -> list[Event]:
    return [event for batch in _batches(EventReader(path)) for event in batch]


def read_history(path: Path) -> RunHistory:
    history = RunHistory()
    for batch in _batches(EventReader(path)):
        history.take(batch)
    return history


def _batches(reader: EventReader) -> Iterator[list[Event]]:
    while events := reader.poll():
        yield events
