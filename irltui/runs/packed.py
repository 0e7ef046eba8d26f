"""Finished files of lines, compressed: NAME.jsonl becomes NAME.jsonl.gz, which `zcat` reads."""

from __future__ import annotations

import gzip
import os
import shutil
import zlib
from collections.abc import Iterator
from pathlib import Path

from irltui.runs.durable import sync_folder

_SUFFIX = ".gz"
_LEVEL = 6


def packed(path: Path) -> Path:
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
            yield from file
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"the file is damaged: {error}") from error


def pack(path: Path) -> None:
    """Put the compressed form in the place of a file; whatever is killed when, one of the two is there and whole.

    Where there is a compressed form already, the lines that it lacks are added to it. The same lines make the same
    bytes.

    Raises:
        OSError: no room, no permission; the file is then untouched.
        ValueError: the compressed form that is there is damaged.
    """
    known = list(read_packed(packed(path))) if packed(path).exists() else []
    beside = path.with_name(f".{path.name}{_SUFFIX}.tmp")
    try:
        with beside.open("wb") as file:
            with (
                gzip.GzipFile("", "wb", compresslevel=_LEVEL, fileobj=file, mtime=0) as compressed,
                path.open("rb") as plain,
            ):
                if known:
                    compressed.writelines(dict.fromkeys([*known, *plain]))
                else:
                    shutil.copyfileobj(plain, compressed)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(packed(path))
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)
    path.unlink()
