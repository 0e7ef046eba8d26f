"""Words to the terminal: results to stdout, talk to stderr, nothing that is not safe to show."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from irltui.text import safe

_LONGEST = 1 << 22
QUIET, VERBOSE = "IRLTUI_QUIET", "IRLTUI_VERBOSE"
"""Variables of the environment, so that the processes that a command starts heed --quiet and --verbose, too."""


def out(text: str) -> None:
    """Print a result."""
    sys.stdout.write(safe(text, lines=True, limit=_LONGEST) + "\n")
    sys.stdout.flush()


def out_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a result for programs, in ASCII: no control character reaches a terminal."""
    sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")
    sys.stdout.flush()


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
    """Print what went wrong, or must be answered."""
    sys.stderr.write(safe(text, lines=True, limit=_LONGEST) + "\n")
    sys.stderr.flush()


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
