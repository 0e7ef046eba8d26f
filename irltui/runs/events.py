"""The lines of events.jsonl: their kinds, their fields, and how a number that is not finite is written.

Every event has `seq` (a count within the file), `time` (Unix seconds) and `kind`. Readers ignore kinds and
fields that they do not know.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

SCHEMA = 1
"""Version of the run folder's formats; readers refuse a newer one."""


class Kind(StrEnum):
    """Event kinds, each with its fields."""

    RUN_START = "run_start"
    """attempt, pid, host, algorithm, total_steps, outer_iterations, resumed_step, resumed_seq (both null in the
    first attempt: metrics, samples, evaluations, alerts and advice from seq `resumed_seq` up to this line
    were lost with the weights that made them and do not count)"""
    DATA = "data"
    """report (rows, train, held_out, dropped, cut, lengths of prompts and responses, template ...), masked (a few
    rows: id, prompt and response as the texts of their tokens, prompt_tokens, response_tokens, ended)"""
    PHASE = "phase"
    """phase (a `Phase`), outer_iteration, done, total, unit: progress inside a phase; total 0 is unknown"""
    METRICS = "metrics"
    """step (optimizer steps so far), outer_iteration, inner_step, tokens (trained so far), elapsed (seconds of
    work over all attempts), values (metric name -> number)"""
    SAMPLE = "sample"
    """step, outer_iteration (-1 before training), prompt_id, prompt, demonstration, generation, ended, tokens,
    reward (null if unknown), token_rewards (list or null), pieces (text of each token)"""
    EVALUATION = "evaluation"
    """step, outer_iteration, benchmark, values (metric -> {mean, low, high, n}), file (items, in evaluations/)"""
    CHECKPOINT = "checkpoint"
    """step, outer_iteration, name, seconds, bytes, reason"""
    ALERT = "alert"
    """step, level (warning | critical), code, text"""
    ADVICE = "advice"
    """step, outer_iteration (that ended), verdict (go_on | stop | raise_beta | add_gamma), text"""
    SYSTEM = "system"
    """step, values (memory_bytes, and gpu_memory_bytes on one)"""
    CONTROL = "control"
    """id, command, state (accepted | applied | rejected | expired), detail"""
    LOG = "log"
    """level (info | warning | error), text"""
    RUN_END = "run_end"
    """state (finished | stopped | preempted | failed), reason, hint, exit_code, step"""


class Phase(StrEnum):
    """What an engine is doing, in the order of an outer iteration."""

    PREPARE = "prepare"
    SAMPLE = "sample"
    REFERENCE = "reference"
    UPDATE = "update"
    IMPROVE = "improve"
    EVALUATE = "evaluate"
    CHECKPOINT = "checkpoint"
    EXPORT = "export"
    PAUSED = "paused"
    END = "end"


@dataclass(frozen=True)
class Event:
    """One line: `kind` may be a kind of a newer irltui, so it is plain text."""

    seq: int
    time: float
    kind: str
    fields: Mapping[str, Any] = field(default_factory=dict)


def encode(event: Event) -> bytes:
    """The event's line, newline included."""
    line = {"seq": event.seq, "time": event.time, "kind": event.kind, **_finite(event.fields)}
    text = json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace") + b"\n"


def decode(line: bytes) -> Event:
    """The event of a line.

    Raises:
        ValueError: not an event.
    """
    try:
        value = orjson.loads(line)  # four times as fast, and stricter: what it refuses may still be an event
    except orjson.JSONDecodeError:
        value = json.loads(line)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    seq, time, kind = value.pop("seq", None), value.pop("time", None), value.pop("kind", None)
    seconds = number(time) if not isinstance(time, str) else None
    if not isinstance(seq, int) or seconds is None or not isinstance(kind, str):
        raise ValueError("seq, time or kind is missing")
    return Event(seq, seconds, kind, value)


_NOT_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def number(value: object) -> float | None:
    """A number as an event carries it: "nan", "inf" and "-inf" are numbers; anything else is None."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    return _NOT_FINITE.get(value) if isinstance(value, str) else None


def _finite(value: Any) -> Any:
    """JSON has no NaN: numbers that are not finite become the strings that `number` reads."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [_finite(item) for item in value]
    return value
