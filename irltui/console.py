"""Words to the terminal: results to stdout, talk to stderr, nothing that is not safe to show."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from irltui.text import safe

_LONGEST = 1 << 22


def out(text: str) -> None:
    """Print a result."""
    sys.stdout.write(safe(text, lines=True, limit=_LONGEST) + "\n")
    sys.stdout.flush()


def out_json(value: Any, *, indent: int | None = 2) -> None:
    """Print a result for programs, in ASCII: no control character reaches a terminal."""
    sys.stdout.write(json.dumps(value, indent=indent, default=str) + "\n")
    sys.stdout.flush()


def talk(text: str) -> None:
    """Print what is for a person only."""
    sys.stderr.write(safe(text, lines=True, limit=_LONGEST) + "\n")
    sys.stderr.flush()


def columns(rows: Sequence[Sequence[str]]) -> str:
    """Rows of text in aligned columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
