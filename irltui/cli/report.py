"""`irltui report`: reads runs, writes one page, and figures if they are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from irltui.console import out, out_json
from irltui.errors import RunFolderError
from irltui.report.page import MARK, page
from irltui.runs.durable import replace_file
from irltui.text import masked, safe
from irltui.views.arms import sides_of
from irltui.views.loaded_runs import load_runs
from irltui.views.numbers import bytes_


def report(paths: Sequence[Path], to: Path | None, figures: Path | None, samples: int, *, as_json: bool) -> None:
    """Write the report and say where it is.

    Raises:
        NoRunError: there is no run at one of the places.
        RunFolderError: a run.json is damaged, or a file cannot be written.
    """
    sides = sides_of(load_runs(paths))
    to = to or (paths[0] / "report.html" if len(paths) == 1 else Path("report.html"))
    _check_place(to)
    content = masked(page(sides, samples)).encode("utf-8", "replace")
    drawn: list[Path] = []
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        replace_file(to, content)
        if figures is not None:
            from irltui.report.figures import draw_figures  # matplotlib takes a second to come

            drawn = draw_figures(sides, figures)
    except OSError as error:
        raise RunFolderError(f"the report cannot be written: {error}", "Choose another --out or --figures.") from error
    if as_json:
        out_json({"report": str(to), "bytes": len(content), "figures": [str(path) for path in drawn]})
        return
    out(f"report   {safe(to)} ({bytes_(len(content))})")
    if figures is not None:
        out(f"figures  {safe(figures)} ({len(drawn)} files)")


def _check_place(to: Path) -> None:
    """A page of ours may be written anew, nothing else."""
    if to.is_dir():
        raise RunFolderError(f"--out {safe(to)}: is a folder", "Name a file, such as report.html.")
    if not to.exists():
        return
    with to.open("rb") as file:
        start = file.read(200)
    if MARK.encode() not in start:
        raise RunFolderError(f"--out {safe(to)}: is there already, and is no report", "Choose another file.")
