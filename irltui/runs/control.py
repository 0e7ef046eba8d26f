"""Commands to a running engine: one file each in control/, created by rename, answered by a control event.

Viewers `send`; the engine `take`s at every safe point. A command is accepted, then applied, rejected or expired.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from irltui.runs.folder import RunFolder


class Command(StrEnum):
    """What an engine can be told; the value of each is its name in files and on the command line."""

    PAUSE = "pause"
    """Wait at the next safe point; the model stays loaded."""
    RESUME = "resume"
    """Go on after a pause."""
    CHECKPOINT = "checkpoint"
    """Save a checkpoint at the next safe point."""
    STOP = "stop"
    """Save a checkpoint and end; `irltui run --resume` continues."""
    SAMPLE = "sample"
    """Answer the fixed prompts, or the one in `text`, now; also while paused."""
    NOTE = "note"
    """Put `text` into the log."""


@dataclass(frozen=True)
class Request:
    """One command on its way; `sent` is Unix seconds."""

    id: str
    command: Command
    text: str
    sent: float


def send(run: RunFolder, command: Command, text: str = "") -> str:
    """Put a command into control/ and return its id, under which the engine answers.

    Raises:
        OSError: the folder cannot be written.
    """
    sent = time.time()
    name = f"{sent:017.6f}-{secrets.token_hex(4)}"  # names sort by time
    content = json.dumps({"id": name, "command": command, "text": text, "sent": sent})
    beside = run.control / f".{name}.tmp"
    beside.write_text(content, encoding="utf-8")
    beside.replace(run.control / f"{name}.json")
    return name


def take(run: RunFolder) -> list[Request | str]:
    """Remove and return all waiting commands, oldest first; a file that is no command comes back as its name."""
    try:
        names = sorted(entry.name for entry in os.scandir(run.control) if _may_be_command(entry))
    except OSError:
        return []
    return [_take_file(run.control / name) for name in names]


def _may_be_command(entry: os.DirEntry[str]) -> bool:
    """Whether it may be read at all: a pipe would never end, a folder cannot be removed, a link leads elsewhere."""
    is_named = entry.name.endswith(".json") and not entry.name.startswith(".")
    return is_named and entry.is_file(follow_symlinks=False)


def _take_file(path: Path) -> Request | str:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Request(str(value["id"]), Command(value["command"]), str(value["text"]), float(value["sent"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return path.name
    finally:
        with suppress(OSError):  # a folder that has become read-only; the engine says so when it writes
            path.unlink()
