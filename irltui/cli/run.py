"""`irltui run`: make the run folder, start the engine, follow it to its end, say what came of it."""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from irltui.cli import dashboard
from irltui.cli.engine import (
    Asked,
    become_engine,
    console_tail,
    death,
    exit_code,
    signals_to,
    start_engine,
)
from irltui.cli.follow import Show, follow, json_lines, live, text_lines
from irltui.cli.seeds import run_each, variants
from irltui.cli.sources import Sources
from irltui.cli.study import create_study, follow_study
from irltui.cli.submit import submit_each
from irltui.cli.summary import summary
from irltui.console import complain, out, talk
from irltui.distributed.launch import rank, refuse_sharding, under_launcher
from irltui.errors import EXIT_INTERRUPTED, EXIT_OK, NoRunError, OutputError
from irltui.experiments.study_file import study_of
from irltui.experiments.study_folder import is_study
from irltui.runs.folder import RunFolder, create_run_folder, is_run, open_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import new_manifest, read_manifest, write_manifest
from irltui.runs.reader import EventReader
from irltui.runs.status import State
from irltui.text import safe
from irltui.views.terminal import can_draw, has_screen

RANKS_WAIT = 60.0  # seconds in which the first rank must have made the run folder


@dataclass(frozen=True)
class Request:
    """What `irltui run` was asked for."""

    sources: Sources
    out: Path | None
    resume: Path | None
    headless: bool
    as_json: bool
    seeds: int | None = None
    grid: tuple[str, ...] = ()
    submit: tuple[str, ...] = ()


def run_command(request: Request) -> int:
    """Start or continue a run, follow it, and return the exit code.

    Raises:
        IrltuiError: the configuration, the model's folder or the run's folder cannot be used.
    """
    if under_launcher():
        refuse_sharding()
    if request.seeds is not None or request.grid or request.submit:
        return _run_several(request)
    if request.resume is not None and is_study(request.resume):
        _refuse_configuration(request)
        return follow_study(request.resume, as_json=request.as_json)
    study = study_of(request.sources.target, request.sources.assignments)
    if study is not None:
        if under_launcher():
            raise typer.BadParameter(
                "a study starts its runs itself: launch single runs, or the study without a launcher",
                param_hint="TARGET",
            )
        folder = request.out if request.out is not None else new_folder(request.sources.name)
        create_study(study, request.sources, folder)
        return follow_study(folder, as_json=request.as_json)
    run = _resumed(request) if request.resume is not None else _created(request)
    if under_launcher():
        become_engine(run)
    return _train(request, run)


def _run_several(request: Request) -> int:
    option = "--submit" if request.submit else "--grid" if request.grid else "--seeds"
    if request.resume is not None or under_launcher():
        raise typer.BadParameter(
            "starts whole runs: not with --resume (the same command with --out goes on), nor under a launcher (launch "
            "each by itself)",
            param_hint=option,
        )
    if study_of(request.sources.target, request.sources.assignments) is not None:
        raise typer.BadParameter(
            "a study starts its runs itself, with the seeds and arms it names; --set study.seeds=[0,1] names others",
            param_hint=option,
        )
    _check_named(request.sources)
    group = request.out if request.out is not None else new_folder(request.sources.name)
    wanted = variants(request.sources, request.grid, request.seeds, group)
    if request.submit:
        return submit_each(wanted, group, request.submit, as_json=request.as_json)
    each = replace(request, headless=True)
    return run_each(wanted, group, lambda run: _train(each, run))


def _train(request: Request, run: RunFolder) -> int:
    history, reader = RunHistory(), EventReader(run.events)
    while events := reader.poll():  # of earlier attempts
        history.take(events)
    history.end = None
    engine = start_engine(run)
    with signals_to(engine, run) as asked:
        if _wants_dashboard(request):
            dashboard.open_dashboard(run.path)
            if engine.poll() is None:
                talk(f"detached; the run goes on: irltui show {safe(run.path)}")
                return EXIT_OK
        else:
            talk(f"run folder: {safe(run.path)}")
        with _display(request, history) as show:
            returned = follow(engine, reader, history, show)
    return _report(request, run, history, returned, asked)


# -- the folder --------------------------------------------------------------------------------


def _created(request: Request) -> RunFolder:
    sources = request.sources
    _check_named(sources)
    if under_launcher() and request.out is None:
        raise typer.BadParameter("needed under a launcher: all processes must mean the same folder", param_hint="--out")
    if request.out is not None and rank() != 0:
        return _made_by_first_rank(request.out)
    loaded = sources.load()
    run = create_run_folder(request.out if request.out is not None else new_folder(sources.name))
    write_manifest(run, new_manifest(loaded.config.model_dump(mode="json"), dict(loaded.origins)))
    return run


def _check_named(sources: Sources) -> None:
    if not (sources.target or sources.preset):
        raise typer.BadParameter(
            "name a preset (`irltui presets` lists them), a TOML file or a run.json; or --resume RUN",
            param_hint="TARGET",
        )


def _refuse_configuration(request: Request) -> None:
    if not request.sources.is_empty or request.out is not None:
        raise typer.BadParameter(
            "continues a run as it was configured: leave out TARGET, --out and all that configures",
            param_hint="--resume",
        )


def _resumed(request: Request) -> RunFolder:
    _refuse_configuration(request)
    run = open_run_folder(request.resume or Path())
    read_manifest(run)  # a damaged one is better told here
    return run


def new_folder(name: str) -> Path:
    """`runs/NAME-TIME`, made at once so that two runs of one second do not share it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 1_000))):
        folder = Path("runs") / f"{name}-{stamp}{suffix}"
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            continue
        except OSError:
            return folder  # what is wrong is told where folders are made
        return folder
    return Path("runs") / f"{name}-{stamp}"


def _made_by_first_rank(path: Path) -> RunFolder:
    until = time.monotonic() + RANKS_WAIT
    while not is_run(path):
        if time.monotonic() > until:
            raise NoRunError(f"{safe(path)}: the first process made no run here within {RANKS_WAIT:.0f} s")
        time.sleep(0.2)
    return RunFolder(path)


# -- the screen --------------------------------------------------------------------------------


def _wants_dashboard(request: Request) -> bool:
    if request.headless or request.as_json:
        return False
    if not has_screen():
        talk("no terminal for the dashboard: running headless")
        return False
    if not dashboard.has_dashboard():
        talk("no dashboard in this installation: running headless")
        return False
    return True


def _display(request: Request, history: RunHistory) -> AbstractContextManager[Show]:
    if request.as_json:
        return nullcontext(json_lines)
    return live(history) if can_draw() else nullcontext(text_lines())


def _report(request: Request, run: RunFolder, history: RunHistory, returned: int, asked: Asked) -> int:
    """Tell how it ended: the summary on stdout, what went wrong on stderr."""
    end = history.end
    state = State(end.state) if end and end.state in set(State) else State.CRASHED
    killed = asked.kill and returned < 0
    if killed:
        complain("error: the engine was killed by Ctrl-C; what was learned since its last checkpoint is lost")
    elif state in {State.FAILED, State.CRASHED}:
        _complain(run, history, returned)
    if not request.as_json:
        try:
            out(summary(run, history, state))
        except OutputError as error:  # the exit code tells of the run
            complain(error.message)
    return EXIT_INTERRUPTED if killed else exit_code(returned, said_goodbye=end is not None)


def _complain(run: RunFolder, history: RunHistory, returned: int) -> None:
    reason, hint = death(returned)
    if history.end is not None:
        reason, hint = history.end.reason, history.end.hint
    if tail := console_tail(run):
        complain(f"last lines of {safe(run.console)}:\n{_indented(tail)}")
    complain(f"error: {safe(reason, lines=True)}")
    if hint:
        complain(f"hint: {safe(hint, lines=True)}")


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())
