"""The folder of a study: study.json beside one run folder per seed and arm. Knows names and places only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from irltui.errors import NoRunError, RunFolderError
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder, is_run

_ARM = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]*")


def is_arm_name(name: str) -> bool:
    """Whether an arm may be called so: its runs lie in folders of that name."""
    return _ARM.fullmatch(name) is not None


@dataclass(frozen=True)
class StudyRun:
    """One run of a study; `start` names the arm it starts from, "" for none."""

    seed: int
    arm: str
    start: str


@dataclass(frozen=True)
class StudyPlan:
    """The contents of study.json."""

    seeds: tuple[int, ...]
    arms: tuple[tuple[str, str], ...]
    """Name and start of each."""
    compare: tuple[str, str]
    metric: str
    jobs: int

    def runs(self) -> Iterator[StudyRun]:
        """All runs, each after the one it starts from."""
        for seed in self.seeds:
            for arm, start in self.arms:
                yield StudyRun(seed, arm, start)


def study_file(folder: Path) -> Path:
    """study.json of a study's folder."""
    return folder / "study.json"


def is_study(folder: Path) -> bool:
    """Whether a folder holds a study."""
    return study_file(folder).is_file()


def run_folder(folder: Path, seed: int, arm: str) -> RunFolder:
    """Where one run of a study lies."""
    return RunFolder(folder / f"seed-{seed}" / arm)


def seed_folder(group: Path, seed: int) -> RunFolder:
    """Where the run of one seed lies in a group of the same run from several seeds."""
    return RunFolder(group / f"seed-{seed}")


def seed_runs(group: Path) -> list[RunFolder]:
    """The runs of such a group, by seed; none in any other folder."""
    found = [RunFolder(path) for path in group.glob("seed-*") if path.name[5:].isdecimal() and is_run(path)]
    return sorted(found, key=lambda run: int(run.path.name[5:]))


def runs_in(folder: Path, levels: int = 1) -> list[RunFolder]:
    """All runs of a folder: itself, a study's, those of all seeds, or such folders beside each other, as of a grid.

    `levels` says how far below they may lie: 2 finds a grid that lies beside other runs.

    Raises:
        OSError: there is no such folder.
        RunFolderError: a study.json is damaged.
    """
    if (found := _one_level(folder)) or not levels:
        return found
    below = sorted(path for path in folder.iterdir() if path.is_dir())
    return [run for path in below for run in _open_to_us(path, levels - 1)]


def _open_to_us(folder: Path, levels: int) -> list[RunFolder]:
    """Its runs; none where it is somebody else's, who lets nobody look."""
    try:
        return runs_in(folder, levels)
    except PermissionError:
        return []


def _one_level(folder: Path) -> list[RunFolder]:
    if is_run(folder):
        return [RunFolder(folder)]
    if is_study(folder):
        return [run_folder(folder, run.seed, run.arm) for run in read_plan(folder).runs()]
    return seed_runs(folder)


def write_plan(folder: Path, plan: StudyPlan) -> None:
    """Write study.json."""
    replace_json(study_file(folder), asdict(plan))


def read_plan(folder: Path) -> StudyPlan:
    """Read study.json.

    Raises:
        NoRunError: there is none.
        RunFolderError: it is damaged.
    """
    try:
        value: dict[str, Any] = json.loads(study_file(folder).read_text(encoding="utf-8"))
        first, second = value["compare"]
        if wrong := [name for name, _ in value["arms"] if not is_arm_name(str(name))]:
            raise ValueError(f"{wrong[0]!r} is no name of an arm")
        return StudyPlan(
            tuple(int(seed) for seed in value["seeds"]),
            tuple((str(name), str(start)) for name, start in value["arms"]),
            (str(first), str(second)),
            str(value["metric"]),
            int(value["jobs"]),
        )
    except FileNotFoundError:
        raise NoRunError(f"{folder}: no study here (study.json is missing)") from None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise RunFolderError(f"{study_file(folder)}: damaged: {error!r}") from error
