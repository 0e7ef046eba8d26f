"""Files that are whole or absent, whatever is killed when: write beside, flush to disk, rename."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from irltui.errors import RunFolderError

MAKE_ROOM = "Make room, then continue with --resume."


@contextmanager
def writing(what: Path | str, remedy: str = MAKE_ROOM) -> Generator[None]:
    """While inside, an OSError becomes a RunFolderError that names the file."""
    try:
        yield
    except OSError as error:
        raise RunFolderError(f"{what}: cannot be written: {error}", remedy) from error


@contextmanager
def replacing(path: Path, mode: int = 0o666) -> Generator[BinaryIO]:
    """A file that takes the place of `path`, atomically and durably, unless an error leaves the old one untouched.

    It has at most the permissions of `mode`.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    sync_folder(path.parent)


def replace_file(path: Path, content: bytes, mode: int = 0o666) -> None:
    """Put `content` at `path`, atomically and durably, with at most the permissions of `mode`."""
    with replacing(path, mode) as file:
        file.write(content)


def write_named(option: str, path: Path, content: bytes) -> None:
    """Put `content` at the path that an option of the command line names, and make its folder."""
    with writing(f"{option} {path}", f"Choose another {option}."):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)


def replace_json(path: Path, value: Any, mode: int = 0o666) -> None:
    """Put `value` at `path` as JSON, atomically and durably.

    Half a surrogate pair (a file's name that is no UTF-8 has some) becomes its JSON escape, which reads back as it was.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, indent=2)
    replace_file(path, text.encode("utf-8", "backslashreplace") + b"\n", mode)


def tail(path: Path, count: int) -> bytes:
    """The last bytes of a file; nothing of one that cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - count))
            return file.read()
    except OSError:
        return b""


def room(folder: Path, needed: int | None = None) -> str:
    """Free bytes on the disk, and the bytes needed if these are known, for messages about a full disk."""
    try:
        free = f"{shutil.disk_usage(folder).free / 1e6:,.1f} MB are free"
    except OSError:
        free = "free space is unknown"
    return free if needed is None else f"about {needed / 1e6:,.1f} MB are needed, {free}"


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make renames inside a folder durable."""
    sync_file(path)
