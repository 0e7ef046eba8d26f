"""Error texts, and what the terminal can show."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from irltui.console import is_quiet
from irltui.errors import ConfigError, IrltuiError, OptionError
from irltui.text import safe


def error_text(error: IrltuiError) -> str:
    """Message and hint; problems of a configuration begin with their place instead of "error"."""
    mark = "" if isinstance(error, ConfigError) else "error: "
    return f"{mark}{error.message}" + (f"\nhint: {error.hint}" if error.hint else "")


def has_screen() -> bool:
    """Whether a dashboard can be shown: stdin and stderr are a capable terminal."""
    return sys.stdin.isatty() and can_draw()


def can_draw() -> bool:
    """Whether stderr is a terminal that can redraw lines, and --quiet is not set."""
    return not is_quiet() and sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"


def prepare_streams() -> None:
    """Print a question mark for characters that the terminal's encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def refuse_odd_options(arguments: Sequence[str]) -> None:
    """Refuse an option that no terminal can show: what parses the options would repeat its name as it is."""
    for argument in arguments:
        name = argument.partition("=")[0]
        if name.startswith("-") and safe(name) != name:
            raise OptionError(f"{safe(name)}: unknown option", "`irltui --help` lists the options.")
