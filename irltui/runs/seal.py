"""The seal of a folder: its files with their sizes and digests, so that damage is noticed.

It is written last: `manifest.json` of a checkpoint, `irltui.json` of a result. Files that it does not list belong to
somebody else.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from irltui.runs.durable import replace_json, sync_file
from irltui.runs.folder import open_own

SEAL, CHECKPOINT_SEAL = "irltui.json", "manifest.json"
FORMAT = 2
"""Version of a checkpoint's format; readers refuse a newer one. Since 2 it may have parts in shards/."""

Entries = dict[str, dict[str, int | str]]
"""What a seal says of each file: its bytes and SHA-256."""


def seal(folder: Path, name: str = SEAL, known: Mapping[str, Any] | None = None, **about: Any) -> None:
    """Flush the files of a folder that is complete, and list them; an empty one stays so.

    Args:
        folder: to be sealed.
        name: of the seal.
        known: entries of files that have been flushed and read already.
        about: what else it says.

    Raises:
        OSError: it cannot be written.
    """
    listed = dict(known or {})
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != SEAL)
    listed |= entries(folder, [path for path in files if path.relative_to(folder).as_posix() not in listed])
    if listed:
        replace_json(folder / name, {**about, "files": dict(sorted(listed.items()))})


def entries(folder: Path, files: Iterable[Path]) -> Entries:
    """Flush files of a folder, and say of each what the folder's seal will."""
    found: Entries = {}
    for path in files:
        sync_file(path)
        found[path.relative_to(folder).as_posix()] = {"bytes": path.stat().st_size, "sha256": _digest(path)}
    return found


def is_sealed(folder: Path) -> bool:
    return (folder / SEAL).is_file()


def sealed_files(folder: Path, name: str = SEAL) -> dict[str, tuple[int, str]]:
    """Names (of `/` parts) of the files that belong to a folder, each with its bytes and SHA-256.

    Raises:
        ValueError: there is no seal, it cannot be read, or it names a file outside of the folder.
    """
    try:
        with os.fdopen(open_own(folder / name, os.O_RDONLY), encoding="utf-8") as file:
            content = json.load(file)
        is_newer = name == CHECKPOINT_SEAL and content["format"] > FORMAT
        found = {str(file): (int(about["bytes"]), str(about["sha256"])) for file, about in content["files"].items()}
    except FileNotFoundError:
        raise ValueError("is missing, so it is unknown which files belong to the folder") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"cannot be read: {error!r}") from None
    if is_newer:
        raise ValueError("written by a newer irltui")
    for file in found:
        if PurePosixPath(file).is_absolute() or ".." in PurePosixPath(file).parts:
            raise ValueError(f"{file!r} is outside the folder")
    return found


def damage_of(folder: Path, name: str = SEAL, among: Callable[[str], bool] = bool) -> dict[str, str]:
    """What is wrong with a sealed folder, or those `among` its files, by the file; nothing if all is as written."""
    try:
        listed = sealed_files(folder, name)
    except ValueError as error:
        return {name: str(error)}
    found = {file: _damage(folder / file, *about) for file, about in listed.items() if among(file)}
    return {file: reason for file, reason in found.items() if reason}


def _damage(path: Path, size: int, sha256: str) -> str:
    try:
        if path.is_symlink():
            return "has become a symbolic link"
        if path.stat().st_size != size:
            return f"has {path.stat().st_size} bytes instead of {size}"
        return "" if _digest(path) == sha256 else "has changed since it was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error}"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
