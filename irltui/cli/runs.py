"""`irltui runs`: the runs below a folder with state and latest metrics."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from irltui.cli.options import Json
from irltui.console import columns, complain, out, out_json, talk
from irltui.errors import NoRunError, RunFolderError
from irltui.runs.metrics import COLUMNS, HELD_OUT_NLL, metric
from irltui.text import safe
from irltui.views.numbers import age, figure

if TYPE_CHECKING:
    from irltui.runs.find import Found
    from irltui.runs.folder import RunFolder
    from irltui.runs.status import Status

_HEAD = ["run", "state", "algorithm", "outer", "step", *(metric(name).label for name in COLUMNS), "seen"]
_EXPENDABLE = ("outer", "algorithm", "seen", metric(HELD_OUT_NLL).label)
"""Columns to leave out on a narrow terminal, in this order."""


def runs(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to search, at any depth.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """List runs with their state and latest metrics.

    Examples:
      irltui runs
      irltui runs /data/runs --json
    """
    import shutil

    from irltui.runs.status import read_status

    found = _find(folder)
    rows = [_Row(run, read_status(run), _algorithm(run)) for run in found]
    rows.sort(key=lambda row: row.status.time, reverse=True)
    if as_json:
        out_json([row.as_json() for row in rows])
    elif rows:
        table = [_HEAD, *(row.as_text() for row in rows)]
        out(columns(fitting(table, shutil.get_terminal_size().columns) if sys.stdout.isatty() else table))
    else:
        talk(f"no runs in {safe(folder)}; start one with `irltui run irft --model M --data D`")
    if found.left_out:
        complain(f"the list may miss runs: {safe(found.left_out)}")


def fitting(table: list[list[str]], width: int) -> list[list[str]]:
    """The table without its most expendable columns, where its lines are too wide."""
    for name in _EXPENDABLE:
        if max(map(len, columns(table).split("\n"))) <= width:
            break
        at = table[0].index(name)
        table = [[*row[:at], *row[at + 1 :]] for row in table]
    return table


def _find(folder: Path) -> Found:
    from irltui.runs.find import Found, find_runs

    try:
        folder.stat()
        return find_runs(folder)
    except OSError as error:
        if folder == Path("runs") and not folder.exists():
            return Found()
        raise NoRunError(f"{safe(folder)}: {safe(error.strerror or error)}", "Name a folder with runs.") from None


class _Row(NamedTuple):
    run: RunFolder
    status: Status
    algorithm: str

    def as_text(self) -> list[str]:
        from irltui.runs.event_lines import number

        status = self.status
        return [
            safe(self.run.path),
            status.state.value,
            safe(self.algorithm, limit=12),
            f"{min(status.outer_iteration + 1, status.outer_iterations)}/{status.outer_iterations}",
            f"{status.step}/{status.total_steps}",
            *(figure(number(status.values.get(name))) for name in COLUMNS),
            f"{age(time.time() - status.time)} ago",
        ]

    def as_json(self) -> dict[str, Any]:
        known = {name: value for name, value in asdict(self.status).items() if name != "reason"}
        return {"run": str(self.run.path), "algorithm": self.algorithm, **known}


def _algorithm(run: RunFolder) -> str:
    from irltui.runs.manifest import read_manifest

    try:
        return str(read_manifest(run).config.get("algorithm", "?"))
    except (RunFolderError, AttributeError):
        return "?"
