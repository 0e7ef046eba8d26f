"""Commands to a running engine: one file each in control/, created by rename, answered by a control event.

Viewers `send`; the engine `take`s at every safe point. A command is accepted, then applied, rejected or expired.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from irltui.runs.durable import replace_json, writing
from irltui.runs.folder import RunFolder

_NAME = re.compile(r"\d+(\.\d+)?-[0-9a-f]+\.json")


class Command(StrEnum):
    """Commands to an engine; the values are their names in files and on the command line."""

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
    """A received command; `sent` is Unix seconds by the clock of `host`."""

    id: str
    command: Command
    text: str
    sent: float
    host: str


def send(run: RunFolder, command: Command, text: str = "") -> str:
    """Put a command into control/ and return its id, under which the engine answers."""
    sent = time.time()
    name = f"{sent:017.6f}-{secrets.token_hex(4)}"  # names sort by time
    content = {"id": name, "command": command, "text": text, "sent": sent, "host": os.uname().nodename}
    with writing(run.control, "Make room, or check permissions."):
        replace_json(run.control / f"{name}.json", content)
    return name


def waiting(run: RunFolder) -> frozenset[str]:
    """Ids of the commands in control/ now; an engine that starts finds commands meant for an earlier one."""
    return frozenset(name.removesuffix(".json") for name in _files(run))


def take(run: RunFolder) -> list[Request | str]:
    """Remove and return all commands, oldest first; a malformed file is returned as its name."""
    return [_take_file(run.control / name) for name in _files(run)]


def _files(run: RunFolder) -> list[str]:
    """What `send` made, oldest first: other files in the folder are neither read nor deleted."""
    try:
        entries = [entry for entry in os.scandir(run.control) if entry.is_file(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))


def _take_file(path: Path) -> Request | str:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        command, sent = Command(value["command"]), float(value["sent"])
        return Request(str(value["id"]), command, str(value["text"]), sent, str(value.get("host", "")))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return path.name
    finally:
        with suppress(OSError):  # a folder that has become read-only; the engine says so when it writes
            path.unlink()
