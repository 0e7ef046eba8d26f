"""When a run must have ended: by `--deadline`, or with its Slurm job. It saves and stops in time, without a signal."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Self

from irltui.errors import OptionError

_ENDS = "IRLTUI_DEADLINE"
"""Unix seconds, set by `--deadline` for this command and the processes it starts."""
MARGIN = 5.0  # seconds for what cannot be measured: the last events, and the end of the process
_DURATION = re.compile(r"(?:([\d.]+)d)?(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?")
_SECONDS = (86_400, 3_600, 60, 1)
_PATIENCE = 20  # seconds for Slurm to answer
_ASK_SLURM = {("scontrol", "show", "job"): r"EndTime=(\S+)", ("squeue", "-h", "-o", "%e", "-j"): r"(\S+)"}


def set_deadline(text: str) -> None:
    """Let this command and the processes it starts end before a duration such as 11h50m has passed."""
    found = _DURATION.fullmatch(text)
    try:
        seconds = sum(float(n or 0) * unit for n, unit in zip(found.groups(), _SECONDS, strict=True)) if found else 0
    except ValueError:  # 1.2.3h
        seconds = 0
    if not seconds:
        raise OptionError(f"--deadline {text}: not a duration", "Give a duration such as 11h50m, 2d or 90s.")
    os.environ[_ENDS] = str(time.time() + seconds)


class Deadline:
    """Seconds that are left until `what` ends, and what must fit: a checkpoint, and the work between safe points.

    Attributes:
        writing: a checkpoint is being written, which the last one would wait for.
    """

    def __init__(self, left: float, what: str) -> None:
        self.what = what
        self._ends = time.monotonic() + left
        self.writing = False
        self._saving = self._working = 0.0
        self._since: float | None = None

    @classmethod
    def known(cls, environment: Mapping[str, str] = os.environ) -> Self | None:
        """The deadline that was given, or the end of this Slurm job if that is earlier; None if there is neither."""
        ends = {"the deadline": environment.get(_ENDS), "the Slurm job's time limit": _slurm_end(environment)}
        left = {what: float(end) - time.time() for what, end in ends.items() if end}
        return min((cls(seconds, what) for what, seconds in left.items()), key=lambda each: each.left, default=None)

    @property
    def left(self) -> float:
        """Seconds."""
        return self._ends - time.monotonic()

    @property
    def is_near(self) -> bool:
        """Whether a checkpoint must be saved now, since the next safe point may be too late."""
        return self.left < MARGIN + (1.5 + self.writing) * self._saving + 2 * self._working

    def saved(self, seconds: float, held: float | None = None) -> None:
        """A checkpoint took so long, or is expected to; all work waited for it, or for as long as `held` says."""
        self._saving = max(self._saving, seconds)
        if self._since is not None:
            self._since += seconds if held is None else held

    def arrived(self) -> None:
        """A safe point has been reached: what came since the last one is the work that may come again."""
        if self._since is not None:
            self._working = max(self._working, time.monotonic() - self._since)

    def left_off(self) -> None:
        self._since = time.monotonic()


def _slurm_end(environment: Mapping[str, str]) -> str | None:
    """Unix seconds at which this Slurm job ends, as its environment, scontrol or squeue says."""
    job = environment.get("SLURM_JOB_ID", "")
    said = environment.get("SLURM_JOB_END_TIME", "")
    if not said.isdecimal() and job.isdecimal():
        said = next(filter(None, (_asked([*command, job], form) for command, form in _ASK_SLURM.items())), "")
    return said if said.isdecimal() and float(said) > time.time() else None


def _asked(command: list[str], form: str) -> str:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=True).stdout  # noqa: S603
        found = re.search(form, answer)
        return str(round(datetime.fromisoformat(found[1]).timestamp())) if found else ""
    except (OSError, subprocess.SubprocessError, ValueError):  # no Slurm here, or a job without a limit
        return ""
