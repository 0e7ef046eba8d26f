"""The summary of a run: state, metrics, result, and the next command."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from irltui.cli.event_text import interval
from irltui.console import columns
from irltui.errors import EXIT_USAGE
from irltui.runs.folder import RunFolder
from irltui.runs.history import RunHistory
from irltui.runs.metrics import FINAL, metric
from irltui.runs.status import WORKING, State
from irltui.text import safe
from irltui.views.numbers import between, duration, figure, signed

ALERTS = 10


def summary(run: RunFolder, history: RunHistory, state: State) -> str:
    """State, first and last figures, result, and what to do next."""
    happened = f"{state}: {history.step}/{history.start.total_steps} steps in {duration(history.elapsed)}"
    advice = [f"advice     {safe(advice.text, limit=400)}" for advice in history.advice[-1:]]
    parts = (happened, _table(run, history), *advice, *_result(run, history, state))
    return "\n".join(part for part in parts if part)


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
    """The change of each benchmark metric between its first and last evaluation, paired by item."""
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
        except (OSError, ValueError):  # a damaged folder is shown without changes
            continue
        for name, by in gained.items():
            found[benchmark, name] = f"{signed(by.mean)}{between(by.low, by.high, signed)}"
    return found


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
    folder = safe(run.path)
    if state is State.FINISHED:
        load = f'AutoModelForCausalLM.from_pretrained("{safe(run.model)}")'
        return f"{load}, to share: irltui export {folder}, to train on: --model {folder}" if run.model.is_dir() else ""
    if state is State.WAITING:
        return f"irltui watch {folder}"
    if state in WORKING:
        return f"irltui ctl {folder} pause | checkpoint | stop"
    if history.end and history.end.exit_code == EXIT_USAGE:  # going on would fail the same way
        return f"irltui run {folder}/run.json, corrected by --model, --data or --set"
    return f"irltui run --resume {folder}"
