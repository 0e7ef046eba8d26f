"""Whole runs of the engine on the tiny model, inside the test's process."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate.state import AcceleratorState

from irltui.api.registry import Registry
from irltui.config.schema import RunConfig
from irltui.engine.__main__ import main
from irltui.runs.checked_rows import packed, read_packed
from irltui.runs.event_lines import as_dict
from irltui.runs.events import Event, Kind
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.history import that_count
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.reader import read_events
from support.tiny import WORDS

Change = dict[str, dict[str, Any] | Any]


def demonstrations(path: Path, count: int = 24, seed: int = 0) -> Path:
    """A JSON Lines file of distinct prompts with short completions."""
    stream = random.Random(seed)
    rows, seen = [], set()
    while len(rows) < count:
        prompt = " ".join(stream.choices(WORDS, k=stream.randint(2, 5))) + "?"
        if prompt not in seen:
            seen.add(prompt)
            rows.append({"prompt": prompt, "completion": " ".join(stream.choices(WORDS, k=stream.randint(1, 6)))})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def config(model: Path, data: Path, change: Change | None = None) -> dict[str, Any]:
    """A small IRFT run; `change` replaces values of tables."""
    values: dict[str, Any] = {
        "model": {"name": str(model)},
        "data": {"source": str(data), "max_response_tokens": 8, "held_out": 0.2},
        "loop": {"outer_iterations": 2, "batch": 4, "micro_batch": 2},
        "reward": {"kind": "implicit"},
        "sampler": {"kind": "slots", "slots": 4},
        "optimizer": {"learning_rate": 1e-3},
        "evaluation": {"samples": 2},
    }
    for key, value in (change or {}).items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return values


def rft(change: Change | None = None) -> Change:
    """What makes a small RFT run of `config`; `change` as there."""
    values: Change = {
        "algorithm": "rft",
        "reward": {"kind": "explicit"},
        "reference": {"kind": "fixed"},
        "update": {"kind": "rloo", "prompts": 3, "generations": 3},
        "reward_optimizer": {"learning_rate": 1e-2},
    }
    for key, value in (change or {}).items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    return values


def prepare(path: Path, values: dict[str, Any]) -> RunFolder:
    """A run folder that an engine can start in."""
    AcceleratorState._reset_state(reset_partial_state=True)  # one process, several engines
    checked = RunConfig.model_validate(values, context={"registry": Registry()})
    run = create_run_folder(path)
    write_manifest(run, new_manifest(checked.model_dump(mode="json"), {}))
    return run


def work(run: RunFolder) -> int:
    """Run the engine, or continue it."""
    AcceleratorState._reset_state(reset_partial_state=True)
    return main([str(run.path)])


def finish(path: Path, values: dict[str, Any]) -> RunFolder:
    """A finished run.

    Raises:
        AssertionError: it did not finish; the message holds its last event.
    """
    run = prepare(path, values)
    code = work(run)
    assert code == 0, read_events(run.events)[-1]
    return run


def stored(run: RunFolder, name: str) -> list[dict[str, Any]]:
    """The rows of one file of samples/ (`0000`, `0000.reference`), compressed or not; none if there is no such file."""
    path = run.samples / f"{name}.jsonl"
    if packed(path).exists():
        return [json.loads(line) for line in read_packed(packed(path))]
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def events(run: RunFolder, *kinds: Kind, where: Callable[[Event], bool] = lambda event: True) -> list[Event]:
    """Events of some kinds as a reader should see them: what a resume made void is left out."""
    return [event for event in that_count(read_events(run.events)) if event.kind in kinds and where(event)]


TIMES = ("speed/", "memory/")


def results(run: RunFolder) -> list[tuple[str, Any]]:
    """What must not depend on interruptions: metrics without times, samples, evaluations."""
    found: list[tuple[str, Any]] = []
    for event in events(run, Kind.METRICS, Kind.SAMPLE, Kind.EVALUATION):
        fields = as_dict(event)
        for name in ("elapsed", "seq", "time", "kind"):
            fields.pop(name, None)
        if event.kind == Kind.METRICS:
            values = {k: v for k, v in fields["values"].items() if not k.startswith(TIMES)}
            fields["values"] = values
            if not values:
                continue
        found.append((event.kind, fields))
    return found
