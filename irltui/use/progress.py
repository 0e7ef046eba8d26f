"""How far a long command is, on stderr: one line that is drawn again on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import os
import sys
import time
from types import TracebackType

from irltui.console import is_quiet
from irltui.views.numbers import duration, figure

EVERY = 10.0  # seconds between two lines that stay


class Progress:
    """Counts towards a total.

    Args:
        verb: what is done ("scored").
        unit: to what ("rows").
        done: where a resumed command goes on.
        total: where it ends.
    """

    def __init__(self, verb: str, unit: str, done: int, total: int) -> None:
        self._verb, self._unit, self._first, self._total = verb, unit, done, total
        self._draws = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self._began = self._said = time.monotonic()

    def __enter__(self) -> Progress:
        again = f", going on from {self._unit[:-1]} {self._first + 1}" if self._first else ""
        _say(f"{self._total} {self._unit}{again}\n")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._draws:
            _say("\r\x1b[K")

    def to(self, done: int) -> None:
        """Show that so many are done."""
        now = time.monotonic()
        if self._draws:
            _say(f"\r\x1b[K{self._line(done, now)}")
        elif now - self._said >= EVERY:
            self._said = now
            _say(self._line(done, now) + "\n")

    def _line(self, done: int, now: float) -> str:
        speed = (done - self._first) / max(now - self._began, 1e-9)
        left = (self._total - done) / speed if speed else None
        unit = self._unit
        rate = f"{figure(speed)} {unit}/s" if speed >= 1 else f"{figure(1 / speed)} s per {unit[:-1]}" if speed else ""
        return f"{self._verb} {done}/{self._total} {unit}  {rate}  left about {duration(left)}"


def say(text: str) -> None:
    """A line for a person."""
    _say(text + "\n")


def _say(text: str) -> None:
    if is_quiet():
        return
    sys.stderr.write(text)
    sys.stderr.flush()
