"""Runs read whole, to be compared or reported: configuration, history, state.

A study, all seeds of a run or a grid stand for all of their runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os.path import commonpath
from pathlib import Path
from typing import Any

from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import read_manifest
from irltui.runs.reader import read_history
from irltui.runs.status import read_status


@dataclass(frozen=True)
class ComparedRun:
    """A run with its name among the others."""

    name: str
    folder: RunFolder
    config: Mapping[str, Any]
    history: RunHistory
    state: str

    @property
    def seed(self) -> str:
        return str(self.config.get("seed", "?"))


def load_runs(paths: Sequence[Path]) -> list[ComparedRun]:
    """The runs at these places, each once, in order."""
    from irltui.experiments.plan import runs_of  # reads configurations, which takes as long as a dashboard's start

    found = [[run.path for run in runs_of(path)] or [path] for path in paths]
    folders = list(dict.fromkeys(folder for each in found for folder in each))
    names = short_names(folders)
    return [load_run(open_run_folder(folder), name) for folder, name in zip(folders, names, strict=True)]


def load_run(run: RunFolder, name: str) -> ComparedRun:
    """One run, called `name` among the others."""
    return ComparedRun(name, run, read_manifest(run).config, read_history(run.events), str(read_status(run).state))


def short_names(folders: Sequence[Path]) -> list[str]:
    """Paths relative to the common folder; at least the last part."""
    whole = [folder.absolute() for folder in folders]
    if len(whole) < 2:
        return [folder.name for folder in whole]
    shared = Path(commonpath([folder.parent for folder in whole]))
    return [str(folder.relative_to(shared)) for folder in whole]
