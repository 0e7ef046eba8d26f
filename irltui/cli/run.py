"""`irltui run`: create the folders of one or several runs, start them, and follow them to the end."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from irltui.cli.options import Assignments, Data, Model, Plugins, Preset, Seed, Target, TrustCode

if TYPE_CHECKING:
    from irltui.config.sources import Sources
    from irltui.runs.folder import RunFolder

RANKS_WAIT = 60.0  # seconds in which the first rank must have made the run folder


def _set_deadline(text: str) -> str:
    if text:
        from irltui.runs.deadline import set_deadline

        set_deadline(text)
    return text


Resume = Annotated[
    Path | None, typer.Option("--resume", metavar="RUN", help="Continue a run, or a folder of several runs.")
]
ResumeFrom = Annotated[
    str,
    typer.Option(
        "--resume-from",
        metavar="CHECKPOINT",
        help="With --resume: the checkpoint to continue from, such as 0002-000000, instead of the last good one.",
    ),
]
TimeLimit = Annotated[
    str,
    typer.Option(
        "--deadline",
        metavar="TIME",
        help="Save and exit with code 75 before TIME is over, such as 11h50m; a Slurm job's limit is known.",
        callback=_set_deadline,
    ),
]

Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, metavar="N", help="Repeat the run with N seeds, in RUN/seed-S.")
]
Grid = Annotated[
    list[str] | None,
    typer.Option("--grid", metavar="KEY=A,B", help="One run per value, in RUN/KEY=A; repeat for combinations."),
]
Submit = Annotated[
    list[str] | None,
    typer.Option(
        "--submit",
        metavar="KEY=VALUE",
        help="Submit the runs to Slurm and return; options such as time=12:00:00, partition=gpu; repeatable.",
    ),
]


def run(  # noqa: PLR0913 - an option each
    target: Target = "",
    model: Model = "",
    data: Data = "",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="RUN", help="Folder of the new run; default: runs/NAME-TIME.")
    ] = None,
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    plugins: Plugins = None,
    trust_code: TrustCode = False,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: progress display or lines.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the events as JSON lines; implies --headless.")
    ] = False,
    resume: Resume = None,
    resume_from: ResumeFrom = "",
    deadline: TimeLimit = "",
    seeds: Seeds = None,
    grid: Grid = None,
    submit: Submit = None,
) -> None:
    r"""Train: start a run, or continue one, and follow it.

    The engine is a separate process: closing the terminal does not end it.
    Ctrl-C stops it with a checkpoint, a second Ctrl-C kills it.

    Examples:
      irltui run irft --model M --data demos.jsonl --out runs/first
      irltui run spin --model M --data D --set loop.batch=8 --headless
      irltui run my.toml --preset irft --seed 1
      irltui run irft --model M --data D --out runs/five --seeds 5
      irltui run irft --model M --data D --out runs/lr --seeds 3 \
          --grid optimizer.learning_rate=1e-6,2e-6
      irltui run irft --model M --data D --out runs/five --seeds 5 \
          --submit time=12:00:00 --submit gpus_per_node=8
      irltui run rft --model M --data D --plugin mine.py \
          --set reward.kind=mine/short
      irltui run runs/first/run.json                repeat a run
      irltui run --resume runs/first                continue a run
      irltui run --resume runs/first --resume-from 0001-000000
      irltui run --resume runs/first --deadline 11h50m
      irltui run irft --model runs/first --data D   train its result further
    """
    from irltui.config.sources import Sources

    sources = Sources(target, preset, model, data, seed, tuple(assignments or ()), tuple(plugins or ()))
    several = _Several(seeds, tuple(grid or ()), tuple(submit or ()))
    if several.option:
        sys.exit(several.run(sources, out, resume, as_json=as_json))
    if resume_from and resume is None:
        raise typer.BadParameter("name the run, too: --resume RUN", param_hint="--resume-from")
    if resume is None:
        sys.exit(_start(sources, out, headless=headless, as_json=as_json))
    if not replace(sources, plugins=()).is_empty or out is not None:
        raise typer.BadParameter(
            "continues a run with its own configuration: leave out TARGET, --out and configuration options (--plugin "
            "only confirms that you trust the file)",
            param_hint="--resume",
        )
    sys.exit(_resume(resume, resume_from, headless=headless, as_json=as_json))


@dataclass(frozen=True)
class _Several:
    """The options that make several runs, or jobs, of one configuration."""

    seeds: int | None
    grid: tuple[str, ...]
    submit: tuple[str, ...]

    @property
    def option(self) -> str:
        """The option to name in errors, "" if none was given."""
        given = {"--submit": self.submit, "--grid": self.grid, "--seeds": self.seeds is not None}
        return next((option for option, value in given.items() if value), "")

    def run(self, sources: Sources, out: Path | None, resume: Path | None, *, as_json: bool) -> int:
        """Work the runs off, or submit them; the exit code."""
        from irltui.cli.several import submit_all, work_off
        from irltui.distributed.launch import under_launcher
        from irltui.experiments.plan import grid_plan, make
        from irltui.experiments.study import study_of

        if resume is not None or under_launcher():
            raise typer.BadParameter(
                "starts new runs, so it goes neither with --resume (repeat the command with --out to continue) nor "
                "with a launcher (launch each run by itself)",
                param_hint=self.option,
            )
        if study_of(sources.target, sources.assignments) is not None:
            raise typer.BadParameter(
                "a study names its own seeds and arms; change them with --set study.seeds=[0,1]",
                param_hint=self.option,
            )
        _check_named(sources)
        plan, loaded = grid_plan(sources, self.grid, self.seeds, out if out is not None else new_folder(sources.name))
        if self.submit:
            return submit_all(plan, lambda: make(plan, loaded), self.submit, as_json=as_json)
        make(plan, loaded)
        return work_off(plan, as_json=as_json)


def _resume(folder: Path, checkpoint: str, *, headless: bool, as_json: bool) -> int:
    from irltui.cli.follow import train
    from irltui.cli.several import work_off
    from irltui.config.load import recorded
    from irltui.distributed.launch import rank, refuse_sharding, under_launcher
    from irltui.experiments.plan import has_plan, read_plan
    from irltui.experiments.process import become_engine
    from irltui.runs.checkpoints import go_back
    from irltui.runs.folder import is_run, open_run_folder
    from irltui.runs.lock import refuse_if_held
    from irltui.runs.manifest import read_manifest

    if has_plan(folder) and not is_run(folder):
        _refuse_launcher()
        if checkpoint:
            raise typer.BadParameter("name one run of the folder", param_hint="--resume-from")
        return work_off(read_plan(folder), as_json=as_json)
    found = open_run_folder(folder)
    recorded(read_manifest(found).config)  # damage, and code that nobody trusts, are better reported here
    if rank() == 0:
        refuse_if_held(found)
        if checkpoint:
            go_back(found, checkpoint)
    if under_launcher():
        refuse_sharding()
        become_engine(found)
    return train(found, headless=headless, as_json=as_json)


def _start(sources: Sources, out: Path | None, *, headless: bool, as_json: bool) -> int:
    from irltui.cli.follow import train
    from irltui.cli.several import work_off
    from irltui.distributed.launch import refuse_sharding, under_launcher
    from irltui.experiments.plan import make
    from irltui.experiments.process import become_engine
    from irltui.experiments.study import study_of, study_plan

    if under_launcher():
        refuse_sharding()
    study = study_of(sources.target, sources.assignments)
    if study is not None:
        _refuse_launcher()
        plan, loaded = study_plan(study, sources.flag_layers(), out if out is not None else new_folder(sources.name))
        make(plan, loaded)
        return work_off(plan, as_json=as_json)
    made = _make_run(sources, out)
    if under_launcher():
        become_engine(made)
    return train(made, headless=headless, as_json=as_json)


def _refuse_launcher() -> None:
    from irltui.distributed.launch import under_launcher

    if under_launcher():
        raise typer.BadParameter(
            "a study starts its runs itself: launch single runs, or the study without a launcher", param_hint="TARGET"
        )


def _make_run(sources: Sources, out: Path | None) -> RunFolder:
    from irltui.distributed.launch import rank, under_launcher
    from irltui.runs.folder import create_run_folder
    from irltui.runs.manifest import new_manifest, write_manifest

    _check_named(sources)
    if under_launcher() and out is None:
        raise typer.BadParameter(
            "required under a launcher: all processes must use the same folder", param_hint="--out"
        )
    if out is not None and rank() != 0:
        return _made_by_first_rank(out)
    loaded = sources.load()
    made = create_run_folder(out if out is not None else new_folder(sources.name))
    write_manifest(made, new_manifest(loaded.config.model_dump(mode="json"), dict(loaded.origins)))
    return made


def _check_named(sources: Sources) -> None:
    if not (sources.target or sources.preset):
        raise typer.BadParameter(
            "name a preset (`irltui presets` lists them), a TOML file or a run.json; or --resume RUN",
            param_hint="TARGET",
        )


def new_folder(name: str) -> Path:
    """`runs/NAME-TIME`, created at once so that two runs started in one second do not share it."""
    import time

    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 1_000))):
        folder = Path("runs") / f"{name}-{stamp}{suffix}"
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            continue
        except OSError:
            return folder  # reported by create_run_folder
        return folder
    return Path("runs") / f"{name}-{stamp}"


def _made_by_first_rank(path: Path) -> RunFolder:
    import time

    from irltui.errors import NoRunError
    from irltui.runs.folder import RunFolder, is_run
    from irltui.text import safe

    until = time.monotonic() + RANKS_WAIT
    while not is_run(path):
        if time.monotonic() > until:
            raise NoRunError(f"{safe(path)}: the first process created no run here within {RANKS_WAIT:.0f} s")
        time.sleep(0.2)
    return RunFolder(path)
