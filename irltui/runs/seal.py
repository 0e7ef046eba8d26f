"""The seal of a result: which files belong to it, with their sizes and digests, so that damage is noticed.

It lies in the folder as `irltui.json` and becomes visible with it. Files that it does not list belong to somebody else.
"""

from __future__ import annotations

import json
import os
from pathlib import Path, PurePosixPath

from irltui.runs.checkpoints import digest
from irltui.runs.durable import replace_json
from irltui.runs.folder import open_own

SEAL = "irltui.json"


def seal(folder: Path) -> None:
    """List the files of a folder that is complete; an empty one stays so.

    Raises:
        OSError: it cannot be written.
    """
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL]
    if files:
        names = {path.relative_to(folder).as_posix(): path for path in files}
        listed = {name: {"bytes": path.stat().st_size, "sha256": digest(path)} for name, path in names.items()}
        replace_json(folder / SEAL, {"files": listed})


def is_sealed(folder: Path) -> bool:
    """Whether there is a list of what belongs to it."""
    return (folder / SEAL).is_file()


def sealed_files(folder: Path) -> dict[str, tuple[int, str]]:
    """Names (of `/` parts) of the files that belong to a folder, each with its bytes and SHA-256.

    Raises:
        ValueError: there is no seal, it cannot be read, or it names a file outside of the folder.
    """
    try:
        with os.fdopen(open_own(folder / SEAL, os.O_RDONLY), encoding="utf-8") as file:
            listed = json.load(file)["files"]
        found = {str(name): (int(about["bytes"]), str(about["sha256"])) for name, about in listed.items()}
    except FileNotFoundError:
        raise ValueError(f"{SEAL} is missing: which files belong to it is not known") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"{SEAL}: {error!r}") from None
    for name in found:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
            raise ValueError(f"{SEAL}: {name!r} lies outside of the folder")
    return found


def damage_of(folder: Path) -> dict[str, str]:
    """What is wrong with a sealed folder, by the file; nothing if all is as it was written."""
    try:
        listed = sealed_files(folder)
    except ValueError as error:
        return {SEAL: str(error)}
    found = {name: _damage(folder / name, *about) for name, about in listed.items()}
    return {name: reason for name, reason in found.items() if reason}


def _damage(path: Path, size: int, sha256: str) -> str:
    try:
        if path.is_symlink():
            return "is a link now"
        if path.stat().st_size != size:
            return f"has {path.stat().st_size} bytes instead of {size}"
        return "" if digest(path) == sha256 else "has changed since it was written"
    except FileNotFoundError:
        return "is missing"
    except OSError as error:
        return f"cannot be read: {error}"
