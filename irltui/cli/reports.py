"""The commands that look at several runs, and their help; like `main`, they import what they need when called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Json

RUNS = "Runs"
reports_app = typer.Typer()
Several = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, or of a study.")]


@reports_app.command(rich_help_panel=RUNS)
def compare(
    runs: Several,
    samples: Annotated[int, typer.Option("--samples", min=0, metavar="N", help="Prompts whose answers are shown.")] = 3,
    as_json: Json = False,
) -> None:
    """Put runs beside each other: configuration, figures with intervals, curves, samples.

    Runs that differ by seed only are one arm. Intervals are over held-out items where they are stored, else over seeds.

    Examples:
      irltui compare runs/sft runs/irft
      irltui compare runs/quickstart              the arms of a study
      irltui compare runs/a runs/b --samples 0 --json
    """
    from irltui.cli.compare import compare_runs

    compare_runs(runs, samples, as_json=as_json)


@reports_app.command(rich_help_panel=RUNS)
def report(
    runs: Several,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: RUN/report.html; of several, ./report.html.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="FOLDER", help="Also write every chart as PNG and SVG.")
    ] = None,
    samples: Annotated[int, typer.Option("--samples", min=0, metavar="N", help="Prompts whose answers are shown.")] = 4,
    as_json: Json = False,
) -> None:
    """Write one HTML page of one or several runs that needs no network and runs nothing.

    Curves, the reward game, samples with changes and token rewards, health, configuration, how to do it again.

    Examples:
      irltui report runs/first
      irltui report runs/sft runs/irft --out compared.html --figures figures
    """
    from irltui.cli.report import report as write

    write(runs, out, figures, samples, as_json=as_json)
