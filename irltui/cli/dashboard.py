"""The one place where the command line opens the dashboard, and how the dashboard starts runs."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from irltui.cli.engine import start_engine
from irltui.runs.folder import create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest

if TYPE_CHECKING:
    from irltui.config.load import Loaded

_APP = "irltui.dashboard.app"
RUNS = Path("runs")


def has_dashboard() -> bool:
    """Whether this installation has one."""
    return importlib.util.find_spec("irltui.dashboard") is not None


def open_dashboard(run: Path | None) -> bool:
    """Show the dashboard, on a run or on all runs, until it is left; False if there is none to show."""
    if not has_dashboard():
        return False
    folder = run.parent if run is not None and run.parent != Path() else RUNS
    importlib.import_module(_APP).open_dashboard(folder, run, launch)
    return True


def launch(loaded: Loaded, name: str) -> Path:
    """Make the folder of a new run, start its engine, and return the folder.

    Raises:
        IrltuiError: the folder cannot be made.
    """
    from irltui.cli.run import new_folder

    run = create_run_folder(new_folder(name))
    write_manifest(run, new_manifest(loaded.config.model_dump(mode="json"), dict(loaded.origins)))
    start_engine(run)
    return run.path
