"""`irltui run --seeds N`: the same run from N seeds, one after another; what is there already is not done again.

Every seed is a run folder of its own, GROUP/seed-S; the same command goes on where it was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from irltui.cli.sources import Sources
from irltui.config.load import Loaded
from irltui.console import talk
from irltui.errors import EXIT_OK, RunFolderError
from irltui.runs.folder import RunFolder, create_run_folder, is_run
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.runs.status import State, read_status
from irltui.runs.study import seed_folder
from irltui.text import safe


def run_seeds(sources: Sources, count: int, group: Path, train: Callable[[RunFolder], int]) -> int:
    """Make all run folders, then train what is not finished, in order, until one ends otherwise; the exit code.

    Args:
        sources: of all; the first seed is theirs, the others follow it.
        count: how many seeds.
        group: the folder of all.
        train: starts or continues one run, follows it to its end, and gives its exit code.

    Raises:
        ConfigError: the configuration has problems.
        RunFolderError: a run that is there was configured otherwise, or a folder cannot be made.
    """
    first = sources.seed if sources.seed is not None else sources.load().config.seed
    seeds = range(first, first + count)
    loaded = {seed: replace(sources, seed=seed).load() for seed in seeds}
    runs = {seed: _prepared(seed_folder(group, seed), configuration) for seed, configuration in loaded.items()}
    for seed, run in runs.items():
        if read_status(run).state is State.FINISHED:
            talk(f"seed {seed}: finished already")
            continue
        talk(f"seed {seed}: {safe(run.path)}")
        code = train(run)
        if code != EXIT_OK or read_status(run).state is not State.FINISHED:
            talk(f"seed {seed} is not finished; the same command with --out {safe(group)} goes on from here")
            return code
    talk(f"{count} seeds are finished: irltui runs {safe(group)}")
    return EXIT_OK


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
