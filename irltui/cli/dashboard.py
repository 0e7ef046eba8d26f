"""The one place where the command line opens the dashboard."""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path

_APP = "irltui.dashboard.app"


def has_dashboard() -> bool:
    """Whether this installation has one."""
    return importlib.util.find_spec("irltui.dashboard") is not None


def open_dashboard(run: Path | None) -> bool:
    """Show the dashboard, on a run or on all runs, until it is left; False if there is none to show."""
    if not has_dashboard():
        return False
    importlib.import_module(_APP).open_dashboard(run)
    return True
