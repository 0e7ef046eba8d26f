"""`irltui metrics`: the curves of a run, for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from irltui.cli.options import Json, Run
from irltui.console import columns, out, out_json
from irltui.errors import ConfigError
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.runs.history import RunHistory


def metrics(
    run: Run,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", metavar="NAME", help="Metric or BENCHMARK/FIGURE to print in full; repeatable."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print metrics of a run: all of them with their last values, or every point of some.

    Examples:
      irltui metrics runs/first
      irltui metrics runs/first --name heldout/loss --json
      irltui metrics runs/first --name reward/gap | tail -1
    """
    from irltui.runs.event_lines import plain
    from irltui.runs.folder import open_run_folder
    from irltui.runs.reader import read_history
    from irltui.views.numbers import figure

    found = _curves(read_history(open_run_folder(run).events))
    unknown = [name for name in names or () if name not in found]
    if unknown:
        raise ConfigError(
            f"--name {safe(unknown[0], limit=80)}: the run has no such metric",
            f"It has {safe(', '.join(found) or 'none yet', limit=2_000)}.",
        )
    shown = {name: found[name] for name in names or found}
    if as_json:
        out_json({name: {"step": [x for x, _ in points], "value": plain([y for _, y in points])}
                  for name, points in shown.items()})  # fmt: skip
    elif names:
        out("\n".join(f"{safe(name)}\t{step}\t{value}" for name, points in shown.items() for step, value in points))
    else:
        rows = [
            [safe(name), str(len(points)), figure(points[0][1]), figure(points[-1][1])]
            for name, points in shown.items()
        ]
        out(columns([["metric", "points", "first", "last"], *rows]))


def _curves(history: RunHistory) -> dict[str, list[tuple[int, Any]]]:
    """Steps and values of every metric, and of every figure of a benchmark."""
    steps = history.rows.step
    found = {
        name: [(int(steps[row]), value) for row, value in zip(series.rows, series.values, strict=True)]
        for name, series in sorted(history.metrics.items())
    }
    for evaluation in history.evaluations:
        for name, measured in evaluation.values.items():
            found.setdefault(f"{evaluation.benchmark}/{name}", []).append((evaluation.step, measured.mean))
    return found
