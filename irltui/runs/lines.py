"""JSON Lines that detect damage: each line begins with the CRC-32 of the rest.

A flipped bit in a stored generation would still be JSON, and would silently train something else.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from irltui.runs.packed import packed, read_packed

_LINE = re.compile(rb'\{"crc": "([0-9a-f]{8})", (.*)\}\n?', re.DOTALL)


def checked_line(row: Mapping[str, Any]) -> bytes:
    """The row as a line, newline included; it needs a field, and none named "crc"."""
    rest = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")[1:-1]
    return b'{"crc": "%08x", %b}\n' % (zlib.crc32(rest), rest)


def checked_row(line: bytes) -> dict[str, Any]:
    """The row of a line that `checked_line` made.

    Raises:
        ValueError: it has changed since.
    """
    found = _LINE.fullmatch(line)
    if found is None or zlib.crc32(found[2]) != int(found[1], 16):
        raise ValueError("the line is damaged")
    return json.loads(b"{" + found[2] + b"}")


def stored_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that may be compressed, in part or wholly; a torn last line is left out.

    Raises:
        FileNotFoundError: there is neither form of it.
        ValueError: a line or the compressed form is damaged.
    """
    if is_packed := packed(path).exists():
        yield from map(checked_row, read_packed(packed(path)))
    if path.exists() or not is_packed:
        with path.open("rb") as file:
            yield from (checked_row(line) for line in file if line.endswith(b"\n"))
