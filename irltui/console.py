"""Terminal output: results to stdout, messages to stderr, all of it safe to display."""

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
        BrokenPipeError: the reader has closed the pipe.
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
    """Drop what is still buffered: flushing it at exit would fail again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def is_quiet() -> bool:
    """Whether --quiet was given: only results and errors are printed."""
    return bool(os.environ.get(QUIET))


def is_verbose() -> bool:
    """Whether --verbose was given: errors come with a traceback."""
    return bool(os.environ.get(VERBOSE))


def talk(text: str) -> None:
    """Print a message for a person on stderr, unless --quiet was given."""
    if not is_quiet():
        complain(text)


def complain(text: str) -> None:
    """Print an error or a question on stderr; a closed stderr is ignored."""
    with suppress(BrokenPipeError):
        _write(sys.stderr, safe(text, lines=True, limit=_LONGEST) + "\n")


def columns(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
