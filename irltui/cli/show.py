"""`irltui show`: a summary of a run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from irltui.cli.options import Json, Run
from irltui.console import out, out_json
from irltui.text import safe

if TYPE_CHECKING:
    from irltui.runs.events import Event
    from irltui.runs.folder import RunFolder
    from irltui.runs.history import RunHistory
    from irltui.runs.manifest import Manifest
    from irltui.runs.status import State


def show(run: Run, as_json: Json = False) -> None:
    """Summarize a run: state, first and last metrics, alerts, result.

    Examples:
      irltui show runs/first
      irltui show runs/first --json
    """
    from irltui.cli.summary import summary
    from irltui.runs.folder import open_run_folder
    from irltui.runs.manifest import read_manifest
    from irltui.runs.reader import read_history
    from irltui.runs.status import read_status

    folder = open_run_folder(run)
    manifest, state = read_manifest(folder), read_status(folder).state
    history = read_history(folder.events)
    if as_json:
        out_json(_as_json(folder, manifest, state, history))
        return
    lines = [*_about(manifest), *_charts(history), summary(folder, history, state)]
    lines += _messages(history)
    out("\n".join(lines))


def _charts(history: RunHistory) -> Iterator[str]:
    from irltui.views.text_charts import charts

    if drawn := charts([[history]], shutil.get_terminal_size().columns):
        yield "\n".join(["", *(line.plain.rstrip() for line in drawn), ""])


def _about(manifest: Manifest) -> Iterator[str]:
    from irltui.views.flat_config import setting

    config = manifest.config
    for name, value in (
        ("algorithm", config.get("algorithm")),
        ("model", setting(config, "model", "name")),
        ("data", setting(config, "data", "source")),
        ("seed", config.get("seed")),
    ):
        yield f"{name:<10} {safe(value, limit=400)}"


def _messages(history: RunHistory) -> Iterator[str]:
    """Alerts, advice on all iterations but the last (which the summary prints), why it failed, what was skipped."""
    from irltui.cli.summary import ALERTS
    from irltui.runs.status import State
    from irltui.views.alerts import counted, times

    for advice in history.advice[-ALERTS:-1]:
        yield f"after outer iteration {advice.outer_iteration + 1}: {safe(advice.text, limit=400)}"
    alerts = counted(history.alerts)
    for alert, count in alerts[-ALERTS:]:
        yield f"{safe(alert.level)} at step {alert.step}: {safe(alert.text, limit=400)}{times(count)}"
    if len(alerts) > ALERTS:
        yield f"({len(alerts) - ALERTS} earlier alerts)"
    if history.end and history.end.state == State.FAILED:
        yield f"reason     {safe(history.end.reason, limit=2_000)}"
        if history.end.hint:
            yield f"hint       {safe(history.end.hint, limit=2_000)}"
    if history.damaged:
        yield f"{history.damaged} damaged lines in events.jsonl were skipped"
    if history.unknown:
        yield f"{history.unknown} kinds or fields of a newer irltui in events.jsonl were ignored"


def _as_json(run: RunFolder, manifest: Manifest, state: State, history: RunHistory) -> dict[str, Any]:
    from irltui.runs.event_lines import plain, plain_number

    return {
        "run": str(run.path),
        "state": state,
        "config": manifest.config,
        "step": history.step,
        "total_steps": history.start.total_steps,
        "outer_iteration": history.progress.outer_iteration,
        "outer_iterations": history.start.outer_iterations,
        "elapsed": history.elapsed,
        "first": {name: plain_number(history.first(name)) for name in history.metrics},
        "last": {name: plain_number(history.last(name)) for name in history.metrics},
        "evaluations": [
            {"benchmark": benchmark, "metric": name, "first": plain(first), "last": plain(last)}
            for (benchmark, name), (first, last) in history.results().items()
        ],
        "advice": list(map(_row, history.advice)),
        "alerts": list(map(_row, history.alerts)),
        "damaged": history.damaged,
        "unknown": history.unknown,
        "end": _row(history.end) if history.end else None,
        "model": str(run.model) if run.model.is_dir() else "",
    }


def _row(event: Event) -> dict[str, Any]:
    from irltui.runs.event_lines import as_dict

    return {name: value for name, value in as_dict(event).items() if name not in {"seq", "time", "kind"}}
