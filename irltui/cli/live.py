"""The progress display of a headless run on a terminal. Draws a `Progress`; reads nothing."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from irltui.cli.progress import Alert, Progress
from irltui.text import safe
from irltui.views.terminal import duration, figure

_ALERTS = 3
_METRICS = {
    "loss": "train/loss",
    "gap": "reward/gap",
    "accuracy": "reward/accuracy",
    "held-out loss": "heldout/loss",
    "held-out NLL": "heldout/nll",
}
_SPEEDS = {"pairs/s": "speed/pairs_per_second", "tokens/s sampled": "speed/generated_tokens_per_second"}


def display(console: Console, progress: Progress) -> Live:
    """A display that follows `progress` until it is left."""
    return Live(
        console=console, get_renderable=lambda: draw(progress), refresh_per_second=4, transient=True, screen=False
    )


def draw(progress: Progress) -> Group:
    """The state of a run in a few lines."""
    return Group(
        _line(f"{progress.algorithm or 'starting'}  {_phase(progress)}", "bold"),
        _bars(progress),
        _line(_figures(progress, _METRICS)),
        _line(_times(progress), "dim"),
        *(_line(f"→ {progress.advice[t].text}", "cyan") for t in list(progress.advice)[-1:]),
        *(_alert(alert) for alert in progress.alerts[-_ALERTS:]),
    )


def _phase(progress: Progress) -> str:
    amount = f" {progress.done}/{progress.total} {progress.unit}" if progress.total else ""
    return f"{progress.phase}{amount}"


def _bars(progress: Progress) -> Table:
    grid = Table.grid(padding=(0, 1))
    outer = min(progress.outer_iteration + 1, progress.outer_iterations)
    for name, done, total in (
        ("outer iteration", outer, progress.outer_iterations),
        ("inner step", progress.inner_step, progress.inner_steps),
        ("step", progress.step, progress.total_steps),
    ):
        bar = ProgressBar(total=max(total, 1), completed=min(done, total), width=30)
        grid.add_row(Text(name), bar, Text(f"{done}/{total}"))
    return grid


def _figures(progress: Progress, names: dict[str, str]) -> str:
    return "   ".join(
        f"{name} {figure(progress.last[metric])}" for name, metric in names.items() if metric in progress.last
    )


def _times(progress: Progress) -> str:
    left = progress.seconds_left
    return "   ".join(
        part
        for part in (
            _figures(progress, {name: metric for name, metric in _SPEEDS.items() if metric in progress.last}),
            f"worked {duration(progress.time - progress.began)}" if progress.began else "",
            f"left about {duration(left)}" if left is not None else "",
        )
        if part
    )


def _alert(alert: Alert) -> Text:
    return _line(f"! {alert.text}", "red" if alert.level == "critical" else "yellow")


def _line(text: str, style: str = "") -> Text:
    """Text from a run is never markup."""
    return Text(safe(text, limit=1_000), style=style, overflow="ellipsis", no_wrap=True)
