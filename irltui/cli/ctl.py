"""`irltui ctl`: put a command where the engine looks for it, and wait a little for the answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import typer

from irltui.console import out, talk
from irltui.errors import EXIT_FAILED, EXIT_OK, RunFolderError
from irltui.runs.control import Command, send
from irltui.runs.events import Control
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.reader import EventReader
from irltui.runs.status import ENDED, State, read_status
from irltui.text import safe

PATIENCE = 5.0  # seconds to wait for an answer; the engine looks at its safe points
_POLL = 0.1
_FINAL = {"applied", "rejected", "expired"}


def control(path: Path, name: str, text: str) -> int:
    """Send a command and tell what became of it.

    Returns:
        The exit code: 1 if the engine refused.

    Raises:
        NoRunError: there is no run.
        RunFolderError: no engine works there that could listen.
    """
    command = _command(name, text)
    run = open_run_folder(path)
    state = read_status(run).state
    if state in ENDED or state is State.CRASHED:
        raise RunFolderError(
            f"{safe(path)}: the run is {state}, nobody listens", f"Continue it with `irltui run --resume {safe(path)}`."
        )
    reader = EventReader(run.events)
    while reader.poll():
        pass  # what happened before is no answer
    sent = _send(run, command, text)
    answer = ""
    for event in _answers(reader, sent):
        answer = event.state
        detail = safe(event.detail, lines=True)
        out(f"{command}: {safe(answer)}{f': {detail}' if detail else ''}")
    if answer not in _FINAL:
        talk(f"{command}: sent; the engine answers at its next safe point (see `irltui show {safe(path)}`)")
    return EXIT_FAILED if answer in {"rejected", "expired"} else EXIT_OK


def _command(name: str, text: str) -> Command:
    try:
        command = Command(name)
    except ValueError:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Command)}", param_hint="COMMAND") from None
    if command is Command.NOTE and not text:
        raise typer.BadParameter("a note needs words", param_hint="TEXT")
    if text and command not in {Command.NOTE, Command.SAMPLE}:
        raise typer.BadParameter(f"{name} takes no text", param_hint="TEXT")
    return command


def _send(run: RunFolder, command: Command, text: str) -> str:
    try:
        return send(run, command, text)
    except OSError as error:
        raise RunFolderError(f"{safe(run.control)}: cannot be written: {safe(error)}") from None


def _answers(reader: EventReader, sent: str) -> Iterator[Control]:
    """What the engine says to one command, until it is done with it or patience ends."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for event in reader.poll():
            if isinstance(event, Control) and event.id == sent:
                yield event
                if event.state in _FINAL:
                    return
        time.sleep(_POLL)
