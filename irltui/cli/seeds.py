"""`irltui run --seeds N` and `--grid KEY=A,B`: whole runs, one after another; what is there already is not done again.

Every one is a run folder of its own, GROUP/seed-S, GROUP/KEY=A or GROUP/KEY=A/seed-S; the same command goes on where
it was interrupted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from irltui.cli.sources import Sources
from irltui.config.load import Loaded
from irltui.console import complain, talk
from irltui.errors import EXIT_OK, ConfigError, RunFolderError
from irltui.experiments.study_folder import seed_folder
from irltui.runs.folder import RunFolder, create_run_folder, is_run
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.runs.status import State, read_status
from irltui.text import safe

Variants = Mapping[str, tuple[Path, Sources]]
"""What each run is called, where it goes, and what it is made of."""


def variants(sources: Sources, grid: Sequence[str], seeds: int | None, group: Path) -> Variants:
    """Every point of the grid, from every seed.

    Args:
        sources: of all; the first seed is theirs, the others follow it.
        grid: `KEY=A,B,...`, each a dimension.
        seeds: how many seeds, None for theirs alone.
        group: the folder of all.

    Raises:
        ConfigError: a dimension has no key or no values, or two points would share a folder.
    """
    found: dict[str, tuple[Path, Sources]] = {}
    for point in product(*map(_dimension, grid)):
        given = replace(sources, assignments=(*sources.assignments, *point))
        folder = group / _folder_name(point) if point else group
        for seed in _seeds(given, seeds):
            label = ", ".join([*map(safe, point), *([] if seed is None else [f"seed {seed}"])])
            path = folder if seed is None else seed_folder(folder, seed).path
            if any(path == other for other, _ in found.values()):
                raise ConfigError(f"--grid: two points would lie in {safe(path)}", "Give every value once.")
            found[label] = (path, given if seed is None else replace(given, seed=seed))
    return found


def run_each(wanted: Variants, group: Path, train: Callable[[RunFolder], int]) -> int:
    """Make all run folders, then train what is not finished, in order, until one ends otherwise; the exit code.

    Args:
        wanted: the runs.
        group: the folder of all.
        train: starts or continues one run, follows it to its end, and gives its exit code.

    Raises:
        ConfigError: a configuration has problems.
        RunFolderError: a run that is there was configured otherwise, or a folder cannot be made.
    """
    runs = make_all(wanted, load_all(wanted))
    for label, run in runs.items():
        if read_status(run).state is State.FINISHED:
            talk(f"{label}: finished already")
            continue
        talk(f"{label}: {safe(run.path)}")
        code = train(run)
        if code != EXIT_OK or read_status(run).state is not State.FINISHED:
            complain(f"{label} is not finished; the same command with --out {safe(group)} goes on from here")
            return code
    talk(f"{len(runs)} runs are finished: irltui runs {safe(group)}")
    return EXIT_OK


def load_all(wanted: Variants) -> dict[str, Loaded]:
    """The configuration of every run.

    Raises:
        ConfigError: one has problems.
    """
    return {label: sources.load() for label, (_, sources) in wanted.items()}


def make_all(wanted: Variants, loaded: Mapping[str, Loaded]) -> dict[str, RunFolder]:
    """The folder of every run, made where it is not there.

    Raises:
        RunFolderError: a run that is there was configured otherwise, or a folder cannot be made.
    """
    return {label: _prepared(RunFolder(path), loaded[label]) for label, (path, _) in wanted.items()}


def _dimension(given: str) -> list[str]:
    key, equals, values = given.partition("=")
    each = [value.strip() for value in values.split(",")]
    if not key or not equals or not all(each):
        raise ConfigError(
            f"--grid {safe(given, limit=120)}: not KEY=A,B", "Such as --grid optimizer.learning_rate=1e-6,2e-6."
        )
    return [f"{key}={value}" for value in each]


def _folder_name(point: Sequence[str]) -> str:
    return re.sub(r"[^A-Za-z0-9._=,+-]", "-", ",".join(point)).lstrip(".-")


def _seeds(sources: Sources, count: int | None) -> Sequence[int | None]:
    if count is None:
        return [None]
    first = sources.seed if sources.seed is not None else sources.load().config.seed
    return range(first, first + count)


def _prepared(run: RunFolder, loaded: Loaded) -> RunFolder:
    """The run's folder, made if it is not there."""
    wanted = loaded.config.model_dump(mode="json")
    if not is_run(run.path):
        made = create_run_folder(run.path)
        write_manifest(made, new_manifest(wanted, dict(loaded.origins)))
        return made
    there = read_manifest(run).config
    if there != wanted:
        changed = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
        raise RunFolderError(
            f"{run.path}: was configured otherwise ({', '.join(changed)})",
            "Give the configuration that it has, or another --out.",
        )
    return run
