"""Which runs lie below a folder: one answer for lists, comparisons and the dashboard."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from irltui.runs.folder import RunFolder, is_run

DEEPEST = 3  # folders between the one that is looked at and a run, such as GROUP/seed-S/ARM


def find_runs(folder: Path, depth: int = DEEPEST) -> Iterator[RunFolder]:
    """The runs of a folder, itself included, numbers in names in their order.

    Folders that may not be read count as empty: on a shared disk others keep theirs to themselves.
    """
    if is_run(folder):
        yield RunFolder(folder)
        return
    if not depth:
        return
    try:
        below = [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()]
    except OSError:
        return
    for path in sorted(below, key=_natural):
        yield from find_runs(path, depth - 1)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """seed-2 comes before seed-10."""
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", path.name)]
