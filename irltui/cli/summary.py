"""What is left to say when a run has ended, and `irltui show`: where the result is, figures, one hint."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irltui.cli.lines import interval
from irltui.cli.progress import Progress
from irltui.console import columns, out, out_json
from irltui.errors import EXIT_USAGE
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import Manifest, read_manifest
from irltui.runs.reader import EventReader
from irltui.runs.status import State, read_status
from irltui.text import safe
from irltui.views.terminal import duration, figure
from irltui.views.text_charts import charts

_FIGURES = {
    "heldout/nll": "held-out NLL, nats a token",
    "heldout/loss": "held-out loss, ln 2 = 0.6931 is no signal",
    "heldout/gap": "held-out reward gap",
    "reward/gap": "reward gap",
    "reward/accuracy": "reward accuracy",
    "policy/reward": "reward of the policy's generations",
    "reward/probe_mean": "reward of the fixed prompts' answers",
    "policy/kl": "KL of the policy step, nats a response",
    "train/loss": "training loss",
    "kl/initial": "KL from the start, nats a token",
    "generation/length": "length of generations, tokens",
}
_ALERTS = 10


def replay(run: RunFolder, history: RunHistory | None = None) -> tuple[Progress, EventReader]:
    """All events so far, taken into `history` too, and the reader that goes on from there."""
    progress, reader = Progress(), EventReader(run.events)
    while events := reader.poll():
        for event in events:
            progress.take(event)
        if history is not None:
            history.take(events)
    return progress, reader


def summary(run: RunFolder, progress: Progress, state: State) -> str:
    """A few lines: what happened, figures at start and end, the result, what to do next."""
    happened = f"{state}: {progress.step}/{progress.total_steps} steps in {duration(progress.elapsed)}"
    parts = (happened, _table(run, progress), *_advice(progress, most=1), *_result(run, progress, state))
    return "\n".join(part for part in parts if part)


def show_run(path: Path, *, as_json: bool) -> None:
    """Print the summary of a run with its alerts.

    Raises:
        NoRunError: there is none.
        RunFolderError: its run.json is damaged.
    """
    run = open_run_folder(path)
    manifest, state = read_manifest(run), read_status(run).state
    history = RunHistory()
    progress, reader = replay(run, history)
    if as_json:
        out_json(_as_json(run, manifest, state, progress))
        return
    lines = [*_about(manifest), *_charts(history), summary(run, progress, state)]
    lines += [*_earlier_advice(progress), *_alerts(progress)]
    lines += _reason(progress)
    if reader.malformed:
        lines.append(f"{reader.malformed} damaged lines in events.jsonl were skipped")
    out("\n".join(lines))


def _charts(history: RunHistory) -> Iterator[str]:
    if drawn := charts(history, shutil.get_terminal_size().columns):
        yield f"\n{drawn}\n"


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


def _table(run: RunFolder, progress: Progress) -> str:
    rows = [
        [title, figure(progress.first[metric]), figure(progress.last[metric])]
        for metric, title in _FIGURES.items()
        if metric in progress.last
    ]
    gained = _changes(run, progress)
    rows += [
        [f"{safe(benchmark)}: {safe(metric)}", interval(first), interval(last), gained.get((benchmark, metric), "")]
        for (benchmark, metric), (first, last) in progress.evaluations.items()
    ]
    head = ["", "first", "last", *(["change"] if gained else [])]
    return columns([head, *([*row, ""][: len(head)] for row in rows)]) if rows else ""


def _changes(run: RunFolder, progress: Progress) -> dict[tuple[str, str], str]:
    """What each benchmark metric gained between its first and last evaluation, paired by item."""
    pairs = {name: files for name, files in progress.items.items() if all(files) and files[0] != files[1]}
    if not pairs:
        return {}
    from irltui.benchmarks.comparison import changes

    found: dict[tuple[str, str], str] = {}
    for benchmark, files in pairs.items():
        start, end = (run.evaluations / Path(file).name for file in files)
        try:
            gained = changes(start, end)
        except (OSError, ValueError):  # what is left of a damaged folder is shown without
            continue
        for metric, by in gained.items():
            found[benchmark, metric] = f"{by.mean:+.4g} [{by.low:+.4g}, {by.high:+.4g}]"
    return found


def _advice(progress: Progress, *, most: int) -> Iterator[str]:
    for t in sorted(progress.advice)[-most:]:
        yield f"advice     {safe(progress.advice[t].text, limit=400)}"


def _earlier_advice(progress: Progress) -> Iterator[str]:
    """That of all iterations but the last, which the summary holds."""
    for t in sorted(progress.advice)[-_ALERTS:-1]:
        yield f"after outer iteration {t + 1}: {safe(progress.advice[t].text, limit=400)}"


def _result(run: RunFolder, progress: Progress, state: State) -> Iterator[str]:
    if run.model.is_dir():
        yield f"model      {safe(run.model)}"
    if run.adapter.is_dir():
        yield f"adapter    {safe(run.adapter)}"
    if run.reward.is_dir():
        yield f"reward     {safe(run.reward)}"
    if next_step := _next(run, progress, state):
        yield f"next       {next_step}"


def _next(run: RunFolder, progress: Progress, state: State) -> str:
    """One hint."""
    folder = safe(run.path)
    if state is State.FINISHED:
        load = f'AutoModelForCausalLM.from_pretrained("{safe(run.model)}")'
        return f"{load}, to share: irltui export {folder}, to train on: --model {folder}" if run.model.is_dir() else ""
    if state in {State.STARTING, State.RUNNING, State.PAUSED}:
        return f"irltui ctl {folder} pause | checkpoint | stop"
    if progress.end and progress.end.get("exit_code") == EXIT_USAGE:  # going on would fail the same way
        return f"irltui run {folder}/run.json, corrected by --model, --data or --set"
    return f"irltui run --resume {folder}"


def _alerts(progress: Progress) -> Iterator[str]:
    for alert in progress.alerts[-_ALERTS:]:
        yield f"{safe(alert.level)} at step {alert.step}: {safe(alert.text, limit=400)}"
    if len(progress.alerts) > _ALERTS:
        yield f"({len(progress.alerts) - _ALERTS} earlier alerts)"


def _reason(progress: Progress) -> Iterator[str]:
    if progress.end and progress.end.get("state") == State.FAILED:
        yield f"reason     {safe(progress.end.get('reason', ''), limit=2_000)}"
        if hint := progress.end.get("hint"):
            yield f"hint       {safe(hint, limit=2_000)}"


def _as_json(run: RunFolder, manifest: Manifest, state: State, progress: Progress) -> dict[str, Any]:
    return {
        "run": str(run.path),
        "state": state,
        "config": manifest.config,
        "step": progress.step,
        "total_steps": progress.total_steps,
        "outer_iteration": progress.outer_iteration,
        "outer_iterations": progress.outer_iterations,
        "elapsed": progress.elapsed,
        "first": progress.first,
        "last": progress.last,
        "evaluations": [
            {"benchmark": benchmark, "metric": metric, "first": first, "last": last}
            for (benchmark, metric), (first, last) in progress.evaluations.items()
        ],
        "advice": [vars(advice) for _, advice in sorted(progress.advice.items())],
        "alerts": [vars(alert) for alert in progress.alerts],
        "end": progress.end,
        "model": str(run.model) if run.model.is_dir() else "",
    }
