"""What is left to say when a run has ended, and `irltui show`: where the result is, figures, one hint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irltui.cli.lines import interval
from irltui.console import columns, out, out_json
from irltui.errors import EXIT_USAGE
from irltui.runs.event_lines import as_dict, plain, plain_number
from irltui.runs.events import Event
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import Manifest, read_manifest
from irltui.runs.metrics import FINAL, metric
from irltui.runs.reader import read_history
from irltui.runs.status import State, read_status
from irltui.text import safe
from irltui.views.alerts import counted, times
from irltui.views.numbers import duration, figure, signed, signed_between
from irltui.views.text_charts import charts

_ALERTS = 10


def summary(run: RunFolder, history: RunHistory, state: State) -> str:
    """A few lines: what happened, figures at start and end, the result, what to do next."""
    happened = f"{state}: {history.step}/{history.start.total_steps} steps in {duration(history.elapsed)}"
    parts = (happened, _table(run, history), *_advice(history), *_result(run, history, state))
    return "\n".join(part for part in parts if part)


def show_run(path: Path, *, as_json: bool) -> None:
    """Print the summary of a run with its alerts.

    Raises:
        NoRunError: there is none.
        RunFolderError: its run.json is damaged.
    """
    run = open_run_folder(path)
    manifest, state = read_manifest(run), read_status(run).state
    history = read_history(run.events)
    if as_json:
        out_json(_as_json(run, manifest, state, history))
        return
    lines = [*_about(manifest), *_charts(history), summary(run, history, state)]
    lines += [*_earlier_advice(history), *_alerts(history), *_reason(history), *_passed_over(history)]
    out("\n".join(lines))


def _charts(history: RunHistory) -> Iterator[str]:
    if drawn := charts([[history]], shutil.get_terminal_size().columns):
        yield "\n".join(["", *(line.plain.rstrip() for line in drawn), ""])


def _about(manifest: Manifest) -> Iterator[str]:
    config = manifest.config
    for name, value in (
        ("algorithm", config.get("algorithm")),
        ("model", _at(config, "model", "name")),
        ("data", _at(config, "data", "source")),
        ("seed", config.get("seed")),
    ):
        yield f"{name:<10} {safe(value, limit=400)}"


def _at(config: Any, table: str, key: str) -> Any:
    try:
        return config[table][key]
    except (KeyError, TypeError):
        return "?"


def _table(run: RunFolder, history: RunHistory) -> str:
    rows = [
        [metric(name).title, figure(history.first(name)), figure(history.last(name))]
        for name in FINAL
        if name in history.metrics
    ]
    gained = _changes(run, history)
    rows += [
        [f"{safe(benchmark)}: {safe(name)}", interval(first), interval(last), gained.get((benchmark, name), "")]
        for (benchmark, name), (first, last) in history.results().items()
    ]
    head = ["", "first", "last", *(["change"] if gained else [])]
    return columns([head, *([*row, ""][: len(head)] for row in rows)]) if rows else ""


def _changes(run: RunFolder, history: RunHistory) -> dict[tuple[str, str], str]:
    """What each benchmark metric gained between its first and last evaluation, paired by item."""
    files: dict[str, list[str]] = {}
    for evaluation in history.evaluations:
        files.setdefault(evaluation.benchmark, []).append(evaluation.file)
    pairs = {name: (each[0], each[-1]) for name, each in files.items() if each[0] and each[-1] and each[0] != each[-1]}
    if not pairs:
        return {}
    from irltui.benchmarks.comparison import changes

    found: dict[tuple[str, str], str] = {}
    for benchmark, ends in pairs.items():
        start, end = (run.evaluations / Path(file).name for file in ends)
        try:
            gained = changes(start, end)
        except (OSError, ValueError):  # what is left of a damaged folder is shown without
            continue
        for name, by in gained.items():
            found[benchmark, name] = f"{signed(by.mean)}{signed_between(by.low, by.high)}"
    return found


def _advice(history: RunHistory) -> Iterator[str]:
    for advice in history.advice[-1:]:
        yield f"advice     {safe(advice.text, limit=400)}"


def _earlier_advice(history: RunHistory) -> Iterator[str]:
    """That of all iterations but the last, which the summary holds."""
    for advice in history.advice[-_ALERTS:-1]:
        yield f"after outer iteration {advice.outer_iteration + 1}: {safe(advice.text, limit=400)}"


def _result(run: RunFolder, history: RunHistory, state: State) -> Iterator[str]:
    if run.model.is_dir():
        yield f"model      {safe(run.model)}"
    if run.adapter.is_dir():
        yield f"adapter    {safe(run.adapter)}"
    if run.reward.is_dir():
        yield f"reward     {safe(run.reward)}"
    if next_step := _next(run, history, state):
        yield f"next       {next_step}"


def _next(run: RunFolder, history: RunHistory, state: State) -> str:
    """One hint."""
    folder = safe(run.path)
    if state is State.FINISHED:
        load = f'AutoModelForCausalLM.from_pretrained("{safe(run.model)}")'
        return f"{load}, to share: irltui export {folder}, to train on: --model {folder}" if run.model.is_dir() else ""
    if state in {State.STARTING, State.RUNNING, State.PAUSED}:
        return f"irltui ctl {folder} pause | checkpoint | stop"
    if history.end and history.end.exit_code == EXIT_USAGE:  # going on would fail the same way
        return f"irltui run {folder}/run.json, corrected by --model, --data or --set"
    return f"irltui run --resume {folder}"


def _alerts(history: RunHistory) -> Iterator[str]:
    alerts = counted(history.alerts)
    for alert, count in alerts[-_ALERTS:]:
        yield f"{safe(alert.level)} at step {alert.step}: {safe(alert.text, limit=400)}{times(count)}"
    if len(alerts) > _ALERTS:
        yield f"({len(alerts) - _ALERTS} earlier alerts)"


def _reason(history: RunHistory) -> Iterator[str]:
    if history.end and history.end.state == State.FAILED:
        yield f"reason     {safe(history.end.reason, limit=2_000)}"
        if history.end.hint:
            yield f"hint       {safe(history.end.hint, limit=2_000)}"


def _passed_over(history: RunHistory) -> Iterator[str]:
    if history.damaged:
        yield f"{history.damaged} damaged lines in events.jsonl were skipped"
    if history.unknown:
        yield f"{history.unknown} kinds or fields of a newer irltui in events.jsonl were passed over"


def _as_json(run: RunFolder, manifest: Manifest, state: State, history: RunHistory) -> dict[str, Any]:
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
    return {name: value for name, value in as_dict(event).items() if name not in {"seq", "time", "kind"}}
