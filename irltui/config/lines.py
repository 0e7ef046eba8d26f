"""The line on which each key of a TOML document stands.

tomllib reads values but forgets their places. This scanner does the reverse: it walks over a document that
tomllib has accepted, skips the values and keeps the places.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate

Keys = tuple[str, ...]

_BLANK = re.compile(r"[ \t]*")
_GAP = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'",
    re.DOTALL,
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def key_lines(text: str) -> dict[Keys, int]:
    """Lines, from 1, of all tables and keys, inline ones included.

    Args:
        text: a document that tomllib accepts.
    """
    scanner = _Scanner(text)
    scanner.document()
    return scanner.lines


def split_key(text: str) -> Keys | None:
    """The parts of a dotted key as it stands left of an equals sign, or None if it is no key."""
    scanner = _Scanner(text.strip())
    try:
        parts = scanner.key()
    except ValueError:
        return None
    return parts if parts and scanner.at_end else None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.lines: dict[Keys, int] = {}
        self._text, self._at = text, 0
        self._starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._text)

    def document(self) -> None:
        """Walk over all of it."""
        table: Keys = ()
        self._skip(_GAP)
        while not self.at_end:
            before = self._at
            if self._next == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_GAP)
            if self._at == before:  # no TOML after all
                return

    def key(self) -> Keys:
        """A dotted key; () where none begins."""
        parts: list[str] = []
        while True:
            self._skip(_BLANK)
            if self._next in {'"', "'"}:
                parts.append(tomllib.loads(f"k = {self._take(_STRING)}")["k"])
            elif bare := self._take(_BARE):
                parts.append(bare)
            else:
                return ()
            self._skip(_BLANK)
            if self._next != ".":
                return tuple(parts)
            self._at += 1

    @property
    def _next(self) -> str:
        return self._text[self._at : self._at + 1]

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        if match is None:
            return ""
        self._at = match.end()
        return match[0]

    def _skip(self, pattern: re.Pattern[str]) -> None:
        self._take(pattern)

    def _header(self) -> Keys:
        line = self._line()
        brackets = len(self._take(re.compile(r"\[{1,2}")))
        table = self.key()
        self._at += brackets
        self.lines[table] = line
        return table

    def _pair(self, table: Keys) -> None:
        line = self._line()
        path = (*table, *self.key())
        for end in range(len(table) + 1, len(path) + 1):
            self.lines.setdefault(path[:end], line)
        self._skip(_BLANK)
        self._at += self._next == "="
        self._skip(_BLANK)
        self._value(path)

    def _value(self, path: Keys) -> None:
        if self._take(_STRING):
            return
        if self._next == "[":
            self._items("]", lambda: self._value((*path, "[]")))
        elif self._next == "{":
            self._items("}", lambda: self._pair(path))
        else:
            self._skip(_SCALAR)

    def _items(self, closing: str, item: Callable[[], None]) -> None:
        """A bracketed, comma-separated list."""
        self._at += 1
        self._skip(_GAP)
        while not self.at_end and self._next != closing:
            before = self._at
            item()
            self._skip(_GAP)
            self._at += self._next == ","
            self._skip(_GAP)
            if self._at == before:
                return
        self._at += 1

    def _line(self) -> int:
        return bisect_right(self._starts, self._at)
