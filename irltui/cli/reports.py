"""The commands that look, before a run or at several, and their help; they import what they need when called."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.help_style import App
from irltui.cli.options import Assignments, Data, Json, Model, Plugins, Preset, Seed, Target

RUNS = "Runs"
reports_app = App()
Several = Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs, or of a study.")]


@reports_app.command(rich_help_panel=RUNS)
def init(  # noqa: PLR0913 - an option each
    model: Model = "",
    data: Data = "",
    algorithm: Annotated[str, typer.Option("--algorithm", metavar="A", help="irft, rft, spin or sft.")] = "",
    prompt: Annotated[str, typer.Option("--prompt", metavar="COLUMN", help="The column with the prompts.")] = "",
    completion: Annotated[
        str, typer.Option("--completion", metavar="COLUMN", help="The column with the answers.")
    ] = "",
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="The TOML file to write.")] = Path("irltui.toml"),
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: take what is guessed.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Look at model and data, and write a configuration to begin with, every value with its reason.

    Asks for what is not given, if there is a terminal. Columns with odd names are guessed and shown.

    Examples:
      irltui init
      irltui init --model M --data demos.csv --yes
      irltui init --model M --data D --algorithm rft --out rft.toml
      irltui init --model M --data D --prompt frage --completion antwort
    """
    from irltui.cli.init import InitRequest
    from irltui.cli.init import init as begin

    sys.exit(begin(InitRequest(model, data, algorithm, prompt, completion, out, yes, force)))


@reports_app.command(rich_help_panel=RUNS)
def check(  # noqa: PLR0913 - an option each
    target: Target = "",
    model: Model = "",
    data: Data = "",
    assignments: Assignments = None,
    preset: Preset = "",
    seed: Seed = None,
    plugins: Plugins = None,
    devices: Annotated[
        str, typer.Option("--devices", metavar="NxNAME", help="Size the run for these, such as 8xH100; no probe.")
    ] = "",
    probe: Annotated[
        bool | None, typer.Option("--probe/--no-probe", help="Load the model and time a few steps; default: yes.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Look before a run: real rows with their loss, what the sampler is given, leaks, memory, time, what to change.

    Trains nothing and writes nothing. Without the probe no weights are loaded.

    Examples:
      irltui check irft --model M --data demos.jsonl
      irltui check my.toml --no-probe
      irltui check irft --model M --data D --devices 8xH100
    """
    from irltui.cli.check import CheckRequest
    from irltui.cli.check import check as look
    from irltui.cli.sources import Sources

    sources = Sources(target, preset, model, data, seed, tuple(assignments or ()), tuple(plugins or ()))
    sys.exit(look(CheckRequest(sources, devices, probe, as_json)))


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
