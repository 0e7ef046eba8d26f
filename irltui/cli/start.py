"""What `irltui run` does: make the folders of new runs or find those to continue, and follow them to the end."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import typer

from irltui.cli.follow import Display, train
from irltui.cli.planned_runs import submit_all, work_off
from irltui.config.load import recorded
from irltui.config.sources import Sources
from irltui.distributed.launch import rank, refuse_sharding, under_launcher
from irltui.errors import NoRunError
from irltui.experiments.plan import create_run, grid_plan, has_plan, make, read_plan
from irltui.experiments.process import become_engine
from irltui.experiments.study import study_of, study_plan
from irltui.runs.checkpoints import go_back
from irltui.runs.folder import RunFolder, is_run, new_folder, open_run_folder
from irltui.runs.lock import refuse_if_held
from irltui.runs.manifest import read_manifest
from irltui.text import safe

RANKS_WAIT = 60.0  # seconds in which the first rank must have made the run folder


def one(sources: Sources, out: Path | None, display: Display) -> int:
    """Start a run, or the runs of a study; the exit code."""
    if under_launcher():
        refuse_sharding()
    if (study := study_of(sources.target, sources.assignments)) is not None:
        _refuse_launcher("TARGET")
        plan, loaded = study_plan(study, sources.flag_layers(), out or new_folder(sources.name))
        make(plan, loaded)
        return work_off(plan, display)
    return _follow(_make_run(sources, out), display)


def several(
    sources: Sources,
    out: Path | None,
    display: Display,
    option: str,
    *,
    seeds: int | None,
    grid: Sequence[str],
    submit: Sequence[str],
) -> int:
    """Work off, or submit, several runs of one configuration; errors name the `option` that asks for them."""
    _refuse_launcher(option)
    if study_of(sources.target, sources.assignments) is not None:
        raise typer.BadParameter(
            "a study names its own seeds and arms; change them with --set study.seeds=[0,1]", param_hint=option
        )
    _check_named(sources)
    plan, loaded = grid_plan(sources, grid, seeds, out or new_folder(sources.name))
    if submit:
        return submit_all(plan, lambda: make(plan, loaded), submit, as_json=display is Display.JSON)
    make(plan, loaded)
    return work_off(plan, display)


def resume(folder: Path, checkpoint: str, display: Display) -> int:
    """Continue a run, or the runs of a folder; the exit code."""
    if has_plan(folder) and not is_run(folder):
        _refuse_launcher("--resume")
        if checkpoint:
            raise typer.BadParameter("name one run of the folder", param_hint="--resume-from")
        return work_off(read_plan(folder), display)
    found = open_run_folder(folder)
    recorded(read_manifest(found).config)  # damage, and code that nobody trusts, are better reported here
    if rank() == 0:
        refuse_if_held(found)
        if checkpoint:
            go_back(found, checkpoint)
    if under_launcher():
        refuse_sharding()
    return _follow(found, display)


def _follow(run: RunFolder, display: Display) -> int:
    if under_launcher():
        become_engine(run)
    return train(run, display)


def _refuse_launcher(option: str) -> None:
    if under_launcher():
        raise typer.BadParameter(
            "several runs start their processes themselves: launch single runs, or leave out the launcher",
            param_hint=option,
        )


def _make_run(sources: Sources, out: Path | None) -> RunFolder:
    _check_named(sources)
    if under_launcher() and out is None:
        raise typer.BadParameter(
            "required under a launcher: all processes must use the same folder", param_hint="--out"
        )
    if out is not None and rank() != 0:
        return _made_by_first_rank(out)
    loaded = sources.load()  # before any folder is made
    return create_run(out or new_folder(sources.name), loaded)


def _check_named(sources: Sources) -> None:
    if not (sources.target or sources.preset):
        raise typer.BadParameter(
            "name a preset (`irltui presets` lists them), a TOML file or a run.json; or --resume RUN",
            param_hint="TARGET",
        )


def _made_by_first_rank(path: Path) -> RunFolder:
    until = time.monotonic() + RANKS_WAIT
    while not is_run(path):
        if time.monotonic() > until:
            raise NoRunError(f"{safe(path)}: the first process created no run here within {RANKS_WAIT:.0f} s")
        time.sleep(0.2)
    return RunFolder(path)
