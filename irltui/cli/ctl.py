"""`irltui ctl`: send a command to an engine, and wait briefly for its answer."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from irltui.cli.options import Run
from irltui.console import out, talk
from irltui.errors import EXIT_FAILED, EXIT_OK, RunFolderError
from irltui.text import safe

if TYPE_CHECKING:
    from collections.abc import Iterator

    from irltui.runs.control import Command
    from irltui.runs.events import Control
    from irltui.runs.reader import EventReader

PATIENCE = 5.0  # seconds to wait for an answer; the engine looks at its safe points
_POLL = 0.1
_FINAL = {"applied", "rejected", "expired"}


def ctl(
    run: Run,
    command: Annotated[str, typer.Argument(metavar="COMMAND", help="pause, resume, checkpoint, stop, sample or note.")],
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The prompt for sample, or the text of a note.")] = "",
) -> None:
    """Control a running engine; waits a few seconds for its answer.

    Examples:
      irltui ctl runs/first pause
      irltui ctl runs/first sample "Who are you?"
      irltui ctl runs/first note "lowered the fan"
      irltui ctl runs/first stop                    with a checkpoint
    """
    from irltui.runs.control import send
    from irltui.runs.folder import open_run_folder
    from irltui.runs.reader import EventReader
    from irltui.runs.status import WORKING, read_status

    asked = _command(command, text)
    folder = open_run_folder(run)
    state = read_status(folder).state
    if state not in WORKING:
        raise RunFolderError(
            f"{safe(run)}: no engine is working on this run: it is {state}",
            f"Continue it with `irltui run --resume {safe(run)}`.",
        )
    reader = EventReader(folder.events)
    while reader.poll():
        pass  # skip earlier events
    sent = send(folder, asked, text)
    answer = ""
    for event in _answers(reader, sent):
        answer = event.state
        detail = safe(event.detail, lines=True)
        out(f"{asked}: {safe(answer)}{f': {detail}' if detail else ''}")
    if answer not in _FINAL:
        talk(f"{asked}: sent; the engine answers at its next safe point (see `irltui show {safe(run)}`)")
    sys.exit(EXIT_FAILED if answer in {"rejected", "expired"} else EXIT_OK)


def _command(name: str, text: str) -> Command:
    from irltui.runs.control import Command

    try:
        command = Command(name)
    except ValueError:
        raise typer.BadParameter(f"{name!r} is none of {', '.join(Command)}", param_hint="COMMAND") from None
    if command is Command.NOTE and not text:
        raise typer.BadParameter("note needs a text", param_hint="TEXT")
    if text and command not in {Command.NOTE, Command.SAMPLE}:
        raise typer.BadParameter(f"{name} takes no text", param_hint="TEXT")
    return command


def _answers(reader: EventReader, sent: str) -> Iterator[Control]:
    """The engine's events about one command, until it is final or `PATIENCE` has passed."""
    from irltui.runs.events import Control

    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        for event in reader.poll():
            if isinstance(event, Control) and event.id == sent:
                yield event
                if event.state in _FINAL:
                    return
        time.sleep(_POLL)
