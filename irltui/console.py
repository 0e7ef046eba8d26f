"""Words to the terminal: results to stdout, talk to stderr, nothing that is not safe to show."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TextIO

from irltui.errors import OutputError
from irltui.text import masked, safe

_LONGEST = 1 << 22
QUIET, VERBOSE = "IRLTUI_QUIET", "IRLTUI_VERBOSE"
"""Variables of the environment, so that the processes that a command starts heed --quiet and --verbose, too."""


def out(text: str) -> None:
    """Print a result.

    Raises:
        OutputError: standard output takes no more.
    """
    _print_result(safe(text, lines=True, limit=_LONGEST) + "\n")


def out_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a result for programs, in ASCII: no control character reaches a terminal.

    Raises:
        OutputError: standard output takes no more.
    """
    _print_result(masked(json.dumps(value, indent=indent, default=str)) + "\n")


def _print_result(text: str) -> None:
    if reason := _write(sys.stdout, text):
        raise OutputError(
            f"standard output cannot be written: {reason}", "Nothing else was lost: see the run's folder."
        )


def _write(stream: TextIO | None, text: str) -> str:
    """Why a stream took no text, "" if it did: it may be a file on a full disk, or closed.

    Raises:
        BrokenPipeError: who read it has had enough.
    """
    if stream is None:
        return "it is closed"
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _silence(stream)
        raise
    except (OSError, ValueError) as error:
        _silence(stream)
        return str(error)
    return ""


def _silence(stream: TextIO) -> None:
    """What a stream still holds would fail once more at the end of the process."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_quiet() -> bool:
    """Whether results and errors alone are wanted."""
    return bool(os.environ.get(QUIET))


def is_verbose() -> bool:
    """Whether errors come with the place in the program where they arose."""
    return bool(os.environ.get(VERBOSE))


def talk(text: str) -> None:
    """Print what is for a person only; nothing, if it is to be quiet."""
    if not is_quiet():
        complain(text)


def complain(text: str) -> None:
    """Print what went wrong, or must be answered; a console that takes no more stops nothing."""
    with suppress(BrokenPipeError):
        _write(sys.stderr, safe(text, lines=True, limit=_LONGEST) + "\n")


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
