"""How far a long command is, on stderr."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm

from irltui.console import is_quiet, talk

_EVERY = 10.0  # seconds between two lines where there is no terminal


def progress(verb: str, unit: str, done: int, total: int) -> Any:
    """A bar that counts `unit`s ("rows") towards a total, from where a resumed command continues; silent if quiet."""
    talk(f"{total} {unit}" + (f", going on from {unit[:-1]} {done + 1}" if done else ""))
    pause = 0.1 if sys.stderr.isatty() else _EVERY
    return tqdm(
        total=total,
        initial=done,
        desc=verb,
        unit=f" {unit}",
        mininterval=pause,
        delay=pause,
        disable=is_quiet(),
        leave=False,
    )
