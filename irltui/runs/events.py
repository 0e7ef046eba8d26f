"""What happens in a run: one frozen class per kind of event, written by the engine and read by everybody.

`event_lines` turns events into lines of events.jsonl and back; the reference page is made from these classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from irltui.runs.data_report import DataReport, MaskedRow

SCHEMA = 1
"""Version of the run folder's formats; readers refuse a newer one."""

BEFORE_TRAINING = -1
ASKED = "asked"
"""The prompt_id of answers to a prompt that somebody typed in."""


class Kind(StrEnum):
    RUN_START = "run_start"
    DATA = "data"
    PHASE = "phase"
    METRICS = "metrics"
    SYSTEM = "system"
    SAMPLE = "sample"
    EVALUATION = "evaluation"
    CHECKPOINT = "checkpoint"
    ALERT = "alert"
    ADVICE = "advice"
    CONTROL = "control"
    LOG = "log"
    RUN_END = "run_end"


class Phase(StrEnum):
    """The phases of an outer iteration, in order."""

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


_Step = Annotated[int, "optimizer steps so far"]
_OuterIteration = Annotated[int, "outer iteration, counted from 0 over all passes; -1 before training"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every event has: its number within the file and Unix seconds, filled in by the writer.

    `passed_over` counts the fields of its line that belong to a newer irltui.
    """

    kind: ClassVar[str] = ""
    seq: int = -1
    time: float = 0.0
    passed_over: int = 0


@dataclass(frozen=True, slots=True)
class RunStart(Event):
    """An attempt begins. Events from `resumed_seq` up to this line belong to lost weights."""

    kind: ClassVar[str] = Kind.RUN_START
    pid: Annotated[int, "process of the engine"] = 0
    host: Annotated[str, "machine of the engine"] = ""
    algorithm: Annotated[str, "sft, irft or rft"] = ""
    total_steps: Annotated[int, "optimizer steps that are planned"] = 0
    outer_iterations: Annotated[int, "outer iterations that are planned, over all passes"] = 0
    ranks: Annotated[int, "processes that train together"] = 1
    resumed_step: Annotated[int | None, "step of the checkpoint it continues from; null in the first attempt"] = None
    resumed_seq: Annotated[
        int | None, "metrics, samples, evaluations, alerts and advice from this `seq` on are void"
    ] = None


@dataclass(frozen=True, slots=True)
class Data(Event):
    """The rows have been read."""

    kind: ClassVar[str] = Kind.DATA
    report: Annotated[DataReport, "what became of the rows"] = DataReport()  # noqa: RUF009 - frozen
    masked: Annotated[tuple[MaskedRow, ...], "a few rows as the loss sees them"] = ()


@dataclass(frozen=True, slots=True)
class PhaseProgress(Event):
    """A phase begins or advances."""

    kind: ClassVar[str] = Kind.PHASE
    phase: Annotated[str, f"one of {', '.join(Phase)}"] = ""
    outer_iteration: Annotated[int | None, "outer iteration, counted from 0; null while paused"] = None
    done: Annotated[int, "units done"] = 0
    total: Annotated[int, "units to do; 0 is unknown"] = 0
    unit: Annotated[str, "what is counted"] = ""


@dataclass(frozen=True, slots=True)
class Metrics(Event):
    """Metrics at one point of the run."""

    kind: ClassVar[str] = Kind.METRICS
    values: Annotated[Mapping[str, float], "[metric](metrics.md) to number"]
    step: _Step = 0
    outer_iteration: _OuterIteration = 0
    inner_step: Annotated[int, "inner steps of the outer iteration so far"] = 0
    tokens: Annotated[int, "response tokens trained on so far"] = 0
    elapsed: Annotated[float, "seconds of work over all attempts"] = 0.0


@dataclass(frozen=True, slots=True)
class System(Event):
    """What the process holds and how busy the machine is, every ten seconds."""

    kind: ClassVar[str] = Kind.SYSTEM
    values: Annotated[
        Mapping[str, float],
        "of the process `memory_bytes` (resident) and `gpu_memory_bytes`; of the machine `cpu_percent` and "
        "`host_memory_percent`; with nvidia-ml-py `gpu_percent` and `gpu_celsius`",
    ]
    step: _Step = 0


@dataclass(frozen=True, slots=True)
class Sample(Event):
    """A fixed (or typed) prompt answered by the policy after an outer iteration."""

    kind: ClassVar[str] = Kind.SAMPLE
    step: _Step = 0
    outer_iteration: _OuterIteration = 0
    prompt_id: Annotated[str, f'"{ASKED}" for a prompt that somebody typed in'] = ""
    prompt: Annotated[str, "its text"] = ""
    demonstration: Annotated[str, 'the response in the data, "" for a typed prompt'] = ""
    generation: Annotated[str, "the answer"] = ""
    ended: Annotated[bool, "whether it ended by itself, not at the length cap"] = False
    tokens: Annotated[int, "its length, end-of-sequence included"] = 0
    reward: Annotated[float | None, "its reward; null if unknown"] = None
    token_rewards: Annotated[tuple[float, ...], "the part of each token; empty if unknown"] = ()
    pieces: Annotated[tuple[str, ...], "the text of each token"] = ()


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of a benchmark: mean with its 95 % interval over `n` items; of one item, `low` and `high` are NaN."""

    mean: float
    low: float
    high: float
    n: int

    @property
    def excludes_zero(self) -> bool:
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Evaluation(Event):
    """A benchmark's result."""

    kind: ClassVar[str] = Kind.EVALUATION
    values: Annotated[Mapping[str, Figure], "metric to mean with its 95 % interval over n items"]
    benchmark: Annotated[str, "its name in the configuration"] = ""
    step: _Step = 0
    outer_iteration: _OuterIteration = 0
    file: Annotated[str, 'its items, in evaluations/; "" if they were not stored'] = ""


@dataclass(frozen=True, slots=True)
class Checkpoint(Event):
    """A checkpoint has been saved."""

    kind: ClassVar[str] = Kind.CHECKPOINT
    step: _Step = 0
    outer_iteration: _OuterIteration = 0
    name: Annotated[str, "its folder in checkpoints/"] = ""
    seconds: Annotated[float, "how long saving took, until it was whole on disk"] = 0.0
    bytes: Annotated[int, "its size"] = 0
    reason: Annotated[str, "why it was saved"] = ""
    held: Annotated[float, "for how many of these seconds training waited"] = 0.0


@dataclass(frozen=True, slots=True)
class Alert(Event):
    """A warning about the run."""

    kind: ClassVar[str] = Kind.ALERT
    step: _Step = 0
    level: Annotated[str, "warning or critical"] = "warning"
    code: Annotated[str, "what it is about, for programs"] = ""
    text: Annotated[str, "for people"] = ""


@dataclass(frozen=True, slots=True)
class Advice(Event):
    """What to do after an outer iteration: see [benchmarks and advice](../guides/benchmarks.md)."""

    kind: ClassVar[str] = Kind.ADVICE
    level: ClassVar[str] = "advice"
    step: _Step = 0
    outer_iteration: Annotated[int, "the one that ended, counted from 0"] = 0
    verdict: Annotated[str, "go_on, stop, raise_beta or add_gamma"] = ""
    text: Annotated[str, "for people"] = ""


@dataclass(frozen=True, slots=True)
class Control(Event):
    """The state of a command."""

    kind: ClassVar[str] = Kind.CONTROL
    id: Annotated[str, "of the command's file in control/"] = ""
    command: Annotated[str, "pause, resume, checkpoint, stop, sample or note"] = ""
    state: Annotated[str, "accepted, then applied, rejected or expired"] = ""
    detail: Annotated[str, "for people"] = ""


@dataclass(frozen=True, slots=True)
class Log(Event):
    """A line of the run's log."""

    kind: ClassVar[str] = Kind.LOG
    level: Annotated[str, "info, warning or error"] = "info"
    text: Annotated[str, "for people"] = ""


@dataclass(frozen=True, slots=True)
class RunEnd(Event):
    """An attempt ends."""

    kind: ClassVar[str] = Kind.RUN_END
    state: Annotated[str, "finished, stopped, preempted or failed"] = ""
    reason: Annotated[str, "why"] = ""
    hint: Annotated[str, "what to do"] = ""
    exit_code: Annotated[int, "of the engine"] = 0


KINDS: tuple[type[Event], ...] = (
    RunStart, Data, PhaseProgress, Metrics, System, Sample, Evaluation, Checkpoint, Alert, Advice, Control, Log, RunEnd,
)  # fmt: skip
"""All kinds, in the order of the reference page."""

VOIDABLE = (Metrics, System, Sample, Evaluation, Alert, Advice)
"""What a resume makes void: these belong to weights that were lost."""


@dataclass(frozen=True, slots=True)
class Unknown(Event):
    """An event of a kind that a newer irltui wrote; `fields` are as in the file."""

    name: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Damaged(Event):
    """A line that is not an event, or has a field of the wrong type."""

    problem: str
