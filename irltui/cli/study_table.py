"""The progress of a study on a terminal: one line per run. Draws jobs; reads nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from irltui.runs.metrics import COLUMNS, metric
from irltui.text import safe
from irltui.views.numbers import figure

if TYPE_CHECKING:
    from irltui.cli.study import Job


def draw(jobs: Sequence[Job]) -> Live:
    """A display that follows the jobs until it is left, and stays on the screen."""
    return Live(console=Console(stderr=True), get_renderable=lambda: _table(jobs), refresh_per_second=4)


def _table(jobs: Sequence[Job]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for head in ("run", "state", "phase", "step", *(metric(name).label for name in COLUMNS)):
        table.add_column(head)
    for job in jobs:
        history = job.history
        state = str(job.state or "waiting")
        cells = [
            job.name,
            state,
            history.progress.phase if state == "running" else "",
            f"{history.step}/{history.start.total_steps}" if history.start.total_steps else "",
            *(figure(history.last(name)) if name in history.metrics else "" for name in COLUMNS),
        ]
        table.add_row(*(Text(safe(cell, limit=60), no_wrap=True) for cell in cells))
    return table
