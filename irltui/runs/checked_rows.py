"""JSON Lines that detect damage: each has the CRC-32 of its file's name and its content; finished files are compressed.

A flipped bit in a stored generation would still be JSON, and would silently train something else. NAME.jsonl becomes
NAME.jsonl.gz, which `zcat` reads.
"""

from __future__ import annotations

import gzip
import json
import re
import shutil
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from irltui.runs.durable import replacing

_LINE = re.compile(rb'\{"crc": "([0-9a-f]{8})", (.*)\}\n?', re.DOTALL)
_SUFFIX = ".gz"
_LEVEL = 6
LONGEST_LINE = 1 << 26  # bytes; a longer line is damage that would fill the memory


def line_key(path: Path) -> int:
    """What ties a line to its file, compressed or not, so that files under each other's names are noticed."""
    return zlib.crc32(path.name.partition(".jsonl")[0].encode())


def checked_line(row: Mapping[str, Any], key: int) -> bytes:
    """The row as a line, newline included; it needs a field, and none named "crc"."""
    rest = json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace")[1:-1]
    return b'{"crc": "%08x", %b}\n' % (zlib.crc32(rest, key), rest)


def checked_row(line: bytes, key: int) -> dict[str, Any]:
    """The row of a line that `checked_line` made with this key.

    Raises:
        ValueError: it has changed since, or belongs to another file.
    """
    found = _LINE.fullmatch(line)
    if found is None or zlib.crc32(found[2], key) != int(found[1], 16):
        raise ValueError("the line is damaged")
    return json.loads(b"{" + found[2] + b"}")


def stored_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a file that may be compressed, in part or wholly; a torn last line is left out.

    Raises:
        FileNotFoundError: there is neither form of it.
        ValueError: a line or the compressed form is damaged.
    """
    key = line_key(path)
    if is_packed := packed(path).exists():
        yield from (checked_row(line, key) for line in read_packed(packed(path)))
    if path.exists() or not is_packed:
        with path.open("rb") as file:
            yield from (checked_row(line, key) for line in file if line.endswith(b"\n"))


def packed(path: Path) -> Path:
    """Where the compressed form of a file lies."""
    return path.with_name(path.name + _SUFFIX)


def read_packed(path: Path) -> Iterator[bytes]:
    """The lines of a compressed file, newlines included.

    Raises:
        ValueError: it is damaged.
        OSError: it cannot be read.
    """
    try:
        with gzip.open(path) as file:
            if not path.stat().st_size:
                raise EOFError("it is empty")  # which gzip takes for a file without lines
            while line := file.readline(LONGEST_LINE):
                if len(line) == LONGEST_LINE:
                    raise EOFError("a line without an end")
                yield line
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"the file is damaged: {error}") from error


def pack(path: Path) -> None:
    """Put the compressed form in the place of a file; whatever is killed when, one of the two is there and whole.

    Lines that an earlier compressed form lacks are added to it. The same lines make the same bytes.

    Raises:
        OSError: no room, no permission; the file is then untouched.
        ValueError: the compressed form that is there is damaged.
    """
    for stale in path.parent.glob(f".{packed(path).name}.*.tmp"):  # of an attempt that was killed
        stale.unlink(missing_ok=True)
    known = list(read_packed(packed(path))) if packed(path).exists() else []
    with (
        path.open("rb") as plain,
        replacing(packed(path)) as file,
        gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as compressed,
    ):
        if known:
            compressed.writelines(dict.fromkeys([*known, *plain]))
        else:
            shutil.copyfileobj(plain, compressed)
    path.unlink()
