"""Commands that list: presets, a configuration, runs."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

from irltui.cli.sources import Sources
from irltui.config.presets import presets
from irltui.config.render import render
from irltui.console import columns, out, out_json, talk
from irltui.errors import NoRunError, RunFolderError
from irltui.experiments.study_file import Study, study_of
from irltui.experiments.study_folder import runs_in
from irltui.runs.event_lines import number
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from irltui.runs.metrics import COLUMNS, HELD_OUT_NLL, metric
from irltui.runs.status import Status, read_status
from irltui.text import safe
from irltui.views.numbers import age, figure

_HEAD = ["run", "state", "algorithm", "outer", "step", *(metric(name).label for name in COLUMNS), "seen"]
_EXPENDABLE = ("outer", "algorithm", "seen", metric(HELD_OUT_NLL).label)
"""Columns that go first, in this order, where a terminal is too narrow."""


def list_presets(*, as_json: bool) -> None:
    """Names and descriptions."""
    found = presets()
    if as_json:
        out_json([{"name": name, "description": text} for name, text in found.items()])
    else:
        out(columns([[name, text] for name, text in found.items()]))


def show_config(sources: Sources, *, as_json: bool) -> None:
    """The resolved configuration with origins; of a study, that of each arm with its first seed."""
    study = study_of(sources.target, sources.assignments)
    if study is not None:
        _show_study(study, sources, as_json=as_json)
        return
    loaded = sources.load()
    if as_json:
        out_json({"config": loaded.config.model_dump(mode="json"), "origins": dict(loaded.origins)})
    else:
        out(render(loaded).rstrip("\n"))


def _show_study(study: Study, sources: Sources, *, as_json: bool) -> None:
    seed = study.section.seeds[0]
    loaded = {
        arm.name: study.load(
            arm,
            seed,
            start=Path(f"RUN/seed-{seed}/{arm.start}") if arm.start else None,
            flags=sources.flag_layers(),
        )
        for arm in study.arms
    }
    if as_json:
        out_json(
            {
                "study": study.section.model_dump(mode="json"),
                "arms": {
                    name: {"config": arm.config.model_dump(mode="json"), "origins": dict(arm.origins)}
                    for name, arm in loaded.items()
                },
            }
        )
        return
    for name, arm in loaded.items():
        out(f"# arm {safe(name)}, seed {seed} of {', '.join(map(str, study.section.seeds))}")
        out(render(arm))


def list_runs(folder: Path, *, as_json: bool) -> None:
    """The runs in a folder, newest first.

    Raises:
        NoRunError: there is no such folder.
    """
    rows = [_Row(run) for run in _find(folder)]
    rows.sort(key=lambda row: row.status.time, reverse=True)
    if as_json:
        out_json([row.as_json() for row in rows])
    elif rows:
        table = [_HEAD, *(row.as_text() for row in rows)]
        out(columns(fitting(table, shutil.get_terminal_size().columns) if sys.stdout.isatty() else table))
    else:
        talk(f"no runs in {safe(folder)}; start one with `irltui run irft --model M --data D`")


def fitting(table: list[list[str]], width: int) -> list[list[str]]:
    """The table, without what can best be spared if its lines would not fit."""
    for name in _EXPENDABLE:
        if max(map(len, columns(table).split("\n"))) <= width:
            break
        at = table[0].index(name)
        table = [[*row[:at], *row[at + 1 :]] for row in table]
    return table


def _find(folder: Path) -> list[RunFolder]:
    try:
        return runs_in(folder, levels=2)
    except OSError as error:
        if folder == Path("runs") and not folder.exists():
            return []
        raise NoRunError(
            f"{safe(folder)}: {safe(error.strerror or error)}", "Name the folder that holds runs."
        ) from None


class _Row:
    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self.status: Status = read_status(run)
        self._algorithm = _algorithm(run)

    def as_text(self) -> list[str]:
        status = self.status
        values = [status.values.get(name) for name in COLUMNS]
        return [
            safe(self._run.path),
            status.state.value,
            safe(self._algorithm, limit=12),
            f"{min(status.outer_iteration + 1, status.outer_iterations)}/{status.outer_iterations}",
            f"{status.step}/{status.total_steps}",
            *(figure(number(value)) for value in values),
            f"{age(time.time() - status.time)} ago",
        ]

    def as_json(self) -> dict[str, Any]:
        status = self.status
        return {
            "run": str(self._run.path),
            "state": status.state,
            "phase": status.phase,
            "algorithm": self._algorithm,
            "outer_iteration": status.outer_iteration,
            "outer_iterations": status.outer_iterations,
            "step": status.step,
            "total_steps": status.total_steps,
            "time": status.time,
            "host": status.host,
            "values": status.values,
        }


def _algorithm(run: RunFolder) -> str:
    """What the run learns by, "?" if its run.json is damaged."""
    try:
        return str(read_manifest(run).config.get("algorithm", "?"))
    except (RunFolderError, AttributeError):
        return "?"
