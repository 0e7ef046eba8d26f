"""Which checkpoints a run has, and whether they are whole. Knows files and hashes; tensors are the engine's matter."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from irltui.runs.folder import RunFolder

FORMAT = 1
_NAME = re.compile(r"\d{4,}-\d{6,}(-\d{6,})?")


def newest_first(run: RunFolder) -> list[str]:
    """Names of the checkpoints there are."""
    found = [entry.name for entry in run.checkpoints.iterdir() if _NAME.fullmatch(entry.name)]
    return sorted(found, key=lambda name: tuple(map(int, name.split("-"))), reverse=True)


def damage(folder: Path) -> str:
    """What is wrong with a checkpoint, "" if its manifest verifies."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        if manifest["format"] > FORMAT:
            return "written by a newer irltui"
        for name, expected in manifest["files"].items():
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                return f"manifest.json: {name} lies outside of the checkpoint"
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != expected["bytes"]:
                return f"{name} has {path.stat().st_size} bytes instead of {expected['bytes']}"
            if digest(path) != expected["sha256"]:
                return f"{name} has changed since it was written"
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return f"manifest.json: {error!r}"
    return ""


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
