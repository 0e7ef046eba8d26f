"""What a run's events tell, one frozen record a kind; times are Unix seconds. Knows no event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

BEFORE_TRAINING = -1
ASKED = "asked"
"""The prompt_id of answers to a prompt that somebody typed in."""


@dataclass(frozen=True, slots=True)
class Start:
    """A run_start."""

    time: float = 0.0
    attempt: int = 0
    pid: int = 0
    host: str = ""
    algorithm: str = ""
    total_steps: int = 0
    outer_iterations: int = 0
    resumed_step: int | None = None


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token lengths of prompts or responses."""

    mean: float = 0.0
    median: int = 0
    p95: int = 0
    longest: int = 0


@dataclass(frozen=True, slots=True)
class Counted:
    """Rows that share a reason, with the numbers of the first few (1-based)."""

    reason: str
    count: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Masked:
    """A row as the loss sees it: texts of the tokens of both sides; the counts are of all tokens."""

    id: str
    prompt: tuple[str, ...]
    response: tuple[str, ...]
    prompt_tokens: int
    response_tokens: int
    ended: bool


@dataclass(frozen=True, slots=True)
class Data:
    """A data event: what became of the rows, and a few of them."""

    source: str
    columns: str
    unused: tuple[str, ...]
    rows: int
    train: int
    held_out: int
    dropped: tuple[Counted, ...]
    cut: tuple[Counted, ...]
    prompts: Lengths
    responses: Lengths
    template: str
    end_token: str
    masked: tuple[Masked, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """Progress inside a phase that began at `since` (Unix seconds); `total` 0 is unknown."""

    time: float = 0.0
    since: float = 0.0
    phase: str = ""
    outer_iteration: int = 0
    done: int = 0
    total: int = 0
    unit: str = ""

    @property
    def seconds_left(self) -> float | None:
        """Estimate from the phase's own pace; None if there is no ground for one."""
        if not 0 < self.done < self.total or self.time <= self.since:
            return None
        return (self.time - self.since) / self.done * (self.total - self.done)


@dataclass(frozen=True, slots=True)
class Sample:
    """A fixed (or typed) prompt answered by the policy after an outer iteration; -1 is before training."""

    seq: int
    time: float
    step: int
    outer_iteration: int
    prompt_id: str
    prompt: str
    demonstration: str
    generation: str
    ended: bool
    tokens: int
    reward: float | None
    token_rewards: tuple[float, ...]
    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figure:
    """A benchmark's metric: mean with its interval over n items."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A benchmark's result; `file` in evaluations/ holds it item by item, "" if it was not stored."""

    seq: int
    time: float
    step: int
    outer_iteration: int
    benchmark: str
    figures: Mapping[str, Figure]
    file: str = ""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something the engine warned of, in plain words."""

    seq: int
    time: float
    step: int
    level: str
    code: str
    text: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A saved checkpoint."""

    time: float
    step: int
    name: str
    seconds: float
    bytes: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answer:
    """How far a command got: accepted, then applied, rejected or expired."""

    time: float
    command: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the run's log."""

    time: float
    level: str
    text: str


@dataclass(frozen=True, slots=True)
class End:
    """A run_end."""

    time: float
    state: str
    reason: str
    hint: str
    exit_code: int
    step: int
