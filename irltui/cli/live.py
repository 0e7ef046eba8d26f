"""The progress display of a headless run on a terminal. Draws a history; reads nothing."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from irltui.runs.history import RunHistory
from irltui.runs.metrics import LIVE, PAIRS_PER_SECOND, TOKENS_PER_SECOND, metric
from irltui.text import safe
from irltui.views.alerts import counted, times
from irltui.views.numbers import duration, figure
from irltui.views.replay import Moment

_ALERTS = 3
_SPEEDS = (PAIRS_PER_SECOND, TOKENS_PER_SECOND)


def display(history: RunHistory) -> Live:
    console = Console(stderr=True)
    return Live(console=console, get_renderable=lambda: draw(history), refresh_per_second=4, transient=True)


def draw(history: RunHistory) -> Group:
    now = history.progress
    amount = f" {now.done}/{now.total} {now.unit}" if now.total else ""
    return Group(
        _line(f"{history.start.algorithm or 'starting'}  {now.phase}{amount}", "bold"),
        _bars(history),
        _line(_figures(history, LIVE)),
        _line(_times(history), "dim"),
        *(_line(f"→ {advice.text}", "cyan") for advice in history.advice[-1:]),
        *(
            _line(f"! {alert.text}{times(count)}", "red" if alert.level == "critical" else "yellow")
            for alert, count in counted(history.alerts)[-_ALERTS:]
        ),
    )


def _bars(history: RunHistory) -> Table:
    grid = Table.grid(padding=(0, 1))
    start, update = history.start, history.update
    outer = min(history.progress.outer_iteration + 1, start.outer_iterations)
    for name, done, total in (
        ("outer iteration", outer, start.outer_iterations),
        ("inner step", update.done, update.total),
        ("step", history.step, start.total_steps),
    ):
        bar = ProgressBar(total=max(total, 1), completed=min(done, total), width=30)
        grid.add_row(Text(name), bar, Text(f"{done}/{total}"))
    return grid


def _figures(history: RunHistory, names: Sequence[str]) -> str:
    return "   ".join(f"{metric(name).label} {figure(history.last(name))}" for name in names if name in history.metrics)


def _times(history: RunHistory) -> str:
    began, left = history.start.time, Moment(history).seconds_left()
    parts = (
        _figures(history, _SPEEDS),
        f"worked {duration(history.last_time - began)}" if began else "",
        f"left about {duration(left)}" if left is not None else "",
    )
    return "   ".join(part for part in parts if part)


def _line(text: str, style: str = "") -> Text:
    """Text from a run is never markup."""
    return Text(safe(text, limit=1_000), style=style, overflow="ellipsis", no_wrap=True)
