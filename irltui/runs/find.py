"""Find runs below a folder: one answer for lists, comparisons and the dashboard."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from irltui.runs.folder import RunFolder, is_run

DEEPEST, MOST_FOLDERS = 32, 50_000  # a search that somebody starts at / still ends


@dataclass
class Found:
    """Runs in the order of their paths (seed-2 before seed-10), and what the search left out.

    `unreadable` are folders without read permission, `is_complete` is False if a limit ended the search.
    """

    runs: list[RunFolder] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)
    is_complete: bool = True

    def __iter__(self) -> Iterator[RunFolder]:
        return iter(self.runs)

    @property
    def left_out(self) -> str:
        """For people; "" if nothing was left out."""
        parts = []
        if count := len(self.unreadable):
            more = f" and {count - 1} more" if count > 1 else ""
            parts.append(f"no permission to read {self.unreadable[0]}{more}")
        if not self.is_complete:
            parts.append(f"the search stopped after {MOST_FOLDERS:,} folders or {DEEPEST} levels")
        return "; ".join(parts)


def find_runs(folder: Path) -> Found:
    """The runs at or below a folder, at any depth. Links and hidden folders are not followed."""
    found, looked = Found(), 0
    waiting = [(folder, 0)]
    while waiting:
        path, depth = waiting.pop()
        looked += 1
        if is_run(path):
            found.runs.append(RunFolder(path))
            continue
        if depth > DEEPEST or looked > MOST_FOLDERS:
            found.is_complete = False
            continue
        try:
            folders = [entry for entry in os.scandir(path) if entry.is_dir(follow_symlinks=False)]
            below = [Path(entry.path) for entry in folders if not entry.name.startswith(".")]
        except PermissionError:
            found.unreadable.append(path)
        except OSError:  # gone meanwhile, or never there
            continue
        else:
            waiting += [(each, depth + 1) for each in sorted(below, key=_natural, reverse=True)]
    return found


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    return [(part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in re.split(r"(\d+)", path.name)]
