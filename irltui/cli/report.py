"""`irltui report`: write runs as one HTML page, and optionally their charts as files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from irltui.cli.options import Json, Several
from irltui.console import out as say
from irltui.console import out_json
from irltui.errors import RunFolderError
from irltui.text import masked, safe


def report(
    runs: Several,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Default: RUN/report.html; of several, ./report.html.")
    ] = None,
    figures: Annotated[
        Path | None, typer.Option("--figures", metavar="FOLDER", help="Also write every chart as PNG and SVG.")
    ] = None,
    machine: Annotated[
        bool, typer.Option("--machine", help="Include the host name and folders, which are left out otherwise.")
    ] = False,
    samples: Annotated[int, typer.Option("--samples", min=0, metavar="N", help="Number of prompts to show.")] = 4,
    as_json: Json = False,
) -> None:
    """Write a self-contained HTML report of one or several runs.

    Curves, the reward game, samples with changes and token rewards, health, configuration, how to reproduce it.

    Examples:
      irltui report runs/first
      irltui report runs/sft runs/irft --out compared.html --figures figures
    """
    from irltui.views.numbers import bytes_

    to = out or (runs[0] / "report.html" if len(runs) == 1 else Path("report.html"))
    size, drawn = write_report(runs, to, figures, samples, machine=machine)
    if as_json:
        out_json({"report": str(to), "bytes": size, "figures": [str(path) for path in drawn]})
        return
    say(f"report   {safe(to)} ({bytes_(size)})")
    if figures is not None:
        say(f"figures  {safe(figures)} ({len(drawn)} files)")


def write_report(
    runs: Sequence[Path], to: Path, figures: Path | None, samples: int, *, machine: bool = False
) -> tuple[int, list[Path]]:
    """Write the page, and figures if there is a folder for them; returns the page's bytes and the figures."""
    from irltui.report.page import page
    from irltui.runs.durable import replace_file
    from irltui.runs.manifest import read_manifest
    from irltui.views.arms import sides_of
    from irltui.views.loaded_runs import load_runs
    from irltui.views.portable import portable, portable_manifest, without_machine

    loaded = load_runs(runs)
    sides = sides_of(loaded if machine else [replace(run, config=portable(run.config)) for run in loaded])
    manifests = [read_manifest(side.runs[0].folder) for side in sides]
    _check_place(to)
    told = manifests if machine else [portable_manifest(manifest) for manifest in manifests]
    text = masked(page(sides, told, samples))
    content = (text if machine else without_machine(text, manifests)).encode("utf-8", "replace")
    drawn: list[Path] = []
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        replace_file(to, content)
        if figures is not None:
            from irltui.report.figures import draw_figures  # matplotlib takes a second to come

            drawn = draw_figures(sides, figures)
    except OSError as error:
        raise RunFolderError(f"the report cannot be written: {error}", "Choose another --out or --figures.") from error
    return len(content), drawn


def _check_place(to: Path) -> None:
    """Only an earlier report may be overwritten."""
    from irltui.report.page import MARK

    if to.is_dir():
        raise RunFolderError(f"--out {safe(to)}: is a folder", "Name a file, such as report.html.")
    if not to.exists():
        return
    with to.open("rb") as file:
        start = file.read(200)
    if MARK.encode() not in start:
        raise RunFolderError(f"--out {safe(to)}: already exists and is not a report", "Choose another file.")
