"""Memory of this machine that is free for the process: what its group may use, where one limits it, as Slurm does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_GROUPS = Path("/sys/fs/cgroup")


def available(groups: Path = _GROUPS, mine: Path = Path("/proc/self/cgroup")) -> float:
    """Bytes; the files that a group has in memory count as used, though they would give way."""
    return min([float(psutil.virtual_memory().available), *_left_of_groups(groups, mine)])


def _left_of_groups(groups: Path, mine: Path) -> Iterator[float]:
    """What each group above this process has left (cgroup 2)."""
    try:
        own = next(line[3:] for line in mine.read_text().splitlines() if line.startswith("0::"))
    except (OSError, StopIteration):  # another system, or cgroup 1
        return
    folder = groups / own.lstrip("/")
    for group in (folder, *folder.parents):
        if not group.is_relative_to(groups):
            return
        with suppress(OSError, ValueError):  # no limit: "max", or no such file
            most, used = (float((group / f"memory.{kind}").read_text()) for kind in ("max", "current"))
            yield most - used
