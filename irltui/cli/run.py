"""`irltui run`: its options; `start` does the work."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Assignments, Data, Model, Plugins, Preset, Seed, Target, TrustCode


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
    from irltui.cli import start
    from irltui.config.sources import Sources

    sources = Sources(target, preset, model, data, seed, tuple(assignments or ()), tuple(plugins or ()))
    display = start.Display.JSON if as_json else start.Display.HEADLESS if headless else start.Display.DASHBOARD
    several = {"--submit": submit, "--grid": grid, "--seeds": seeds}
    if option := next((option for option, value in several.items() if value), ""):
        if resume is not None:
            raise typer.BadParameter(
                "starts new runs, so it does not go with --resume: repeat the command with --out to continue",
                param_hint=option,
            )
        sys.exit(start.several(sources, out, display, option, seeds=seeds, grid=grid or (), submit=submit or ()))
    if resume_from and resume is None:
        raise typer.BadParameter("name the run, too: --resume RUN", param_hint="--resume-from")
    if resume is None:
        sys.exit(start.one(sources, out, display))
    if replace(sources, plugins=()) != Sources() or out is not None:
        raise typer.BadParameter(
            "continues a run with its own configuration: leave out TARGET, --out and configuration options (--plugin "
            "only confirms that you trust the file)",
            param_hint="--resume",
        )
    sys.exit(start.resume(resume, resume_from, display))
