"""Several runs that belong together: a study, a grid, or one configuration with several seeds.

A plan names the runs, their folders and which starts from which; it is stored beside them as plan.json.
`local` and `slurm` run it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter, ValidationError

from irltui.config.load import Loaded
from irltui.config.schema import FILE_NAME
from irltui.config.sources import Sources
from irltui.errors import ConfigError, NoRunError, RunFolderError
from irltui.runs.durable import replace_json
from irltui.runs.find import find_runs
from irltui.runs.folder import PLAN_FILE, PLAN_LOCK, RunFolder, create_run_folder, is_run
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.text import safe


def _below(path: str) -> str:
    parts = PurePosixPath(path).parts
    if PurePosixPath(path).is_absolute() or not all(map(FILE_NAME.fullmatch, parts)):
        raise ValueError(f"{path!r} is not a folder below it")
    return path


_Path = Annotated[str, AfterValidator(_below)]


@dataclass(frozen=True)
class PlannedRun:
    """One run of a plan.

    `path` is where it lies below the plan's folder, `arm` what tells it from the others but the seed ("" for nothing),
    `start` the path of the run whose result it starts from ("" for none), `keep` that of the run whose triage says
    which rows it trains on.
    """

    path: _Path
    arm: str = ""
    seed: int | None = None
    start: _Path = ""
    keep: _Path = ""

    @property
    def name(self) -> str:
        """For people: arm and seed."""
        parts = [self.arm, "" if self.seed is None else f"seed {self.seed}"]
        return safe(", ".join(filter(None, parts)))


@dataclass(frozen=True)
class Plan:
    """The runs of one folder, each after the one it starts from.

    `jobs` is how many run at a time. A study compares two arms, `compare`, by the benchmark/metric `metric`; `note` is
    what is to be said beside the result.
    """

    folder: Path
    runs: tuple[PlannedRun, ...]
    jobs: int = 1
    compare: tuple[str, str] | None = None
    metric: str = ""
    note: str = ""

    @property
    def lock(self) -> Path:
        return self.folder / PLAN_LOCK

    def run_folder(self, run: PlannedRun) -> RunFolder:
        return RunFolder(self.folder / run.path)


def kept_rows(run: RunFolder) -> Path:
    """Where the rows lie that a run's triage keeps for other runs of its plan."""
    return run.applied / "kept.jsonl"


def grid_plan(
    sources: Sources, grid: Sequence[str], seeds: int | None, folder: Path
) -> tuple[Plan, dict[PlannedRun, Loaded]]:
    """Every point of a grid from every seed, in seed-S, KEY=A or KEY=A/seed-S, with the configuration of each run.

    `grid` has a dimension KEY=A,B,... each; `seeds` is how many seeds, beginning with that of `sources`, or None.
    """
    loaded: dict[PlannedRun, Loaded] = {}
    for point in product(*map(_dimension, grid)):
        given = replace(sources, assignments=(*sources.assignments, *point))
        above = re.sub(r"[^A-Za-z0-9._=,+-]", "-", ",".join(point)).lstrip(".-")
        for seed in _seeds(given, seeds):
            path = "/".join(filter(None, (above, "" if seed is None else f"seed-{seed}")))
            if any(path == other.path for other in loaded):
                raise ConfigError(f"--grid: two runs would share {safe(folder / path)}", "Give each value once.")
            run = PlannedRun(path, ", ".join(point), seed)
            loaded[run] = (given if seed is None else replace(given, seed=seed)).load()
    return Plan(folder, tuple(loaded)), loaded


def create_run(path: Path, loaded: Loaded) -> RunFolder:
    run = create_run_folder(path)
    write_manifest(run, new_manifest(loaded.config.model_dump(mode="json"), dict(loaded.origins)))
    return run


def make(plan: Plan, loaded: Mapping[PlannedRun, Loaded]) -> None:
    """Make the folder of every run that is not there yet, and write plan.json; runs that an earlier plan names stay."""
    for run in plan.runs:
        _make_run(plan.run_folder(run), loaded[run])
    if plan.runs == (PlannedRun(""),):  # a single run, in the folder itself
        return
    earlier = read_plan(plan.folder).runs if has_plan(plan.folder) else ()
    paths = {run.path for run in plan.runs}
    write_plan(replace(plan, runs=(*plan.runs, *(run for run in earlier if run.path not in paths))))


def write_plan(plan: Plan) -> None:
    value = {name: value for name, value in asdict(plan).items() if name != "folder"}
    replace_json(plan.folder / PLAN_FILE, value)


def has_plan(folder: Path) -> bool:
    return (folder / PLAN_FILE).is_file()


def read_plan(folder: Path) -> Plan:
    """The plan of a folder.

    Raises:
        NoRunError: there is none.
        RunFolderError: it is damaged.
    """
    file = folder / PLAN_FILE
    try:
        return TypeAdapter(Plan).validate_python({**json.loads(file.read_text(encoding="utf-8")), "folder": folder})
    except FileNotFoundError:
        raise NoRunError(f"{folder}: no plan here ({PLAN_FILE} is missing)") from None
    except (OSError, ValueError, TypeError, RecursionError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else repr(error)
        raise RunFolderError(f"{file}: damaged: {problem}") from error


def runs_of(folder: Path) -> list[RunFolder]:
    """All runs of a folder: itself, those of its plan in their order, or whatever runs lie below it."""
    if has_plan(folder) and not is_run(folder):
        plan = read_plan(folder)
        return [plan.run_folder(run) for run in plan.runs]
    return find_runs(folder).runs


def _dimension(given: str) -> list[str]:
    key, equals, values = given.partition("=")
    each = [value.strip() for value in values.split(",")]
    if not key or not equals or not all(each):
        raise ConfigError(
            f"--grid {safe(given, limit=120)}: not KEY=A,B", "Such as --grid optimizer.learning_rate=1e-6,2e-6."
        )
    return [f"{key}={value}" for value in each]


def _seeds(sources: Sources, count: int | None) -> Sequence[int | None]:
    if count is None:
        return [None]
    first = sources.seed if sources.seed is not None else sources.load().config.seed
    return range(first, first + count)


def _make_run(run: RunFolder, loaded: Loaded) -> None:
    wanted = loaded.config.model_dump(mode="json")
    if not is_run(run.path):
        create_run(run.path, loaded)
        return
    there = read_manifest(run).config
    if there != wanted:
        changed = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        raise RunFolderError(
            f"{run.path}: has another configuration ({', '.join(changed)})",
            "Use its configuration, or choose another --out.",
        )
