"""Following events.jsonl: live, attached, replayed and headless views are all this reader.

It polls (network file systems lose notifications), never blocks the writer and waits for the rest of a torn last line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irltui.runs.event_lines import decode, parsed
from irltui.runs.events import Event, Kind
from irltui.runs.history import RunHistory

CHUNK = 1 << 16
FULL = 1 << 27  # bytes; a log that is longer is thinned for curves
_PLACE = ("phase", "outer_iteration", "unit")
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
        return self._offset >= self._size()

    def _size(self) -> int:
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    def _notice_replacement(self, stat: os.stat_result) -> None:
        if self._inode not in (None, stat.st_ino) or stat.st_size < self._offset:
            self._offset, self._rest = 0, b""
        self._inode = stat.st_ino

    def _split(self, chunk: bytes) -> Iterator[Event]:
        return map(decode, self._lines(chunk))

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > LONGEST_LINE:
            self._rest = b""
            yield b"a line without an end"  # which is no event
        yield from filter(bytes.strip, lines)


class ThinningReader(EventReader):
    """The same for curves: of a log longer than `FULL` most metrics and progress in a row are left out.

    An event is left out only if those before and after it have the same fields and finite numbers, so that first and
    last values, rare metrics and damage are kept. A log of 2.5 million events fits into memory like this.
    """

    def _split(self, chunk: bytes) -> Iterator[Event]:
        stride = 1 + max(self._offset, self._size()) // FULL
        if stride == 1:
            return super()._split(chunk)
        return self._thinned(chunk, stride)

    def _thinned(self, chunk: bytes, stride: int) -> Iterator[Event]:
        runs = {str(kind): _Alike(stride) for kind in (Kind.METRICS, Kind.PHASE)}
        for line in self._lines(chunk):
            value = parsed(line)
            alike = runs.get(str(value.get("kind"))) if value else None
            if alike is None or value is None:
                for each in runs.values():
                    yield from map(decode, each.end())
                yield decode(line)
            elif kept := alike.take(line, value):
                yield from map(decode, kept)
        for each in runs.values():
            yield from map(decode, each.end())


class _Alike:
    """Events of one kind in a row that differ in numbers alone: the first, every `stride`-th and the last are given."""

    def __init__(self, stride: int) -> None:
        self._stride, self._count = stride, 0
        self._first: dict[str, Any] = {}
        self._held = b""

    def take(self, line: bytes, value: dict[str, Any]) -> list[bytes]:
        """The lines to keep, now that this one has come."""
        if not _is_like(self._first, value):
            before = self.end()
            self._first = value
            return [*before, line]
        self._count += 1
        self._held = line if self._count % self._stride else b""
        return [] if self._held else [line]

    def end(self) -> list[bytes]:
        """The last line of those alike, unless it was kept already."""
        held, self._held = self._held, b""
        self._first.clear()
        self._count = 0
        return [held] if held else []


def _is_like(first: dict[str, Any], value: dict[str, Any]) -> bool:
    """Whether an event has the fields of an earlier one of its kind, and is well-formed if that was."""
    if first.keys() != value.keys():
        return False
    numbers = value.get("values")
    if numbers is None:
        return [first.get(name) for name in _PLACE] == [value.get(name) for name in _PLACE]
    same = type(numbers) is dict and numbers.keys() == first["values"].keys()
    return same and set(map(type, numbers.values())) == {float} and type(value.get("step")) is int


def read_events(path: Path) -> list[Event]:
    return list(each_event(path))


def each_event(path: Path) -> Iterator[Event]:
    """All events, read as they are asked for."""
    reader = EventReader(path)
    while events := reader.poll():
        yield from events


def read_history(path: Path) -> RunHistory:
    history, reader = RunHistory(), ThinningReader(path)
    while events := reader.poll():
        history.take(events)
    return history
