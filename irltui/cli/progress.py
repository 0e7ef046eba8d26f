"""What a run's events add up to, for people who watch or look back. Knows no screen and no process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from irltui.runs.events import Event, Kind, Phase, number

Values = dict[str, Any]


@dataclass(frozen=True)
class Alert:
    """Something the engine warned of."""

    step: int
    level: str
    code: str
    text: str


@dataclass(frozen=True)
class Advice:
    """What the engine advised at the end of an outer iteration."""

    outer_iteration: int
    verdict: str
    text: str


@dataclass
class Progress:
    """The state of a run after the events it has been shown; `time` and `began` are Unix seconds.

    `first` and `last` hold the earliest and latest value of each metric as its event carried it;
    `evaluations` the first and last result of each benchmark's metric, {mean, low, high, n}, and `items` the names
    of the files in evaluations/ that each benchmark's first and last result came from. `advice` is by outer iteration.
    """

    algorithm: str = ""
    outer_iterations: int = 0
    total_steps: int = 0
    outer_iteration: int = 0
    inner_step: int = 0
    inner_steps: int = 0
    step: int = 0
    tokens: int = 0
    elapsed: float = 0.0
    phase: str = ""
    done: int = 0
    total: int = 0
    unit: str = ""
    began: float = 0.0
    began_step: int = 0
    time: float = 0.0
    first: Values = field(default_factory=dict)
    last: Values = field(default_factory=dict)
    evaluations: dict[tuple[str, str], tuple[Values, Values]] = field(default_factory=dict)
    items: dict[str, tuple[str, str]] = field(default_factory=dict)
    alerts: list[Alert] = field(default_factory=list)
    advice: dict[int, Advice] = field(default_factory=dict)
    checkpoint: str = ""
    end: Mapping[str, Any] | None = None

    def take(self, event: Event) -> None:
        """Take in the next event; kinds and fields that are not known change nothing."""
        self.time = event.time
        fields = event.fields
        match event.kind:
            case Kind.RUN_START:
                self._start(fields)
            case Kind.PHASE:
                self._phase(fields)
            case Kind.METRICS:
                self._metrics(fields)
            case Kind.EVALUATION:
                self._evaluation(fields)
            case Kind.ALERT:
                self._alert(fields)
            case Kind.ADVICE:
                self._advice(fields)
            case Kind.CHECKPOINT:
                self.checkpoint = str(fields.get("name", ""))
            case Kind.RUN_END:
                self.end = fields

    @property
    def seconds_left(self) -> float | None:
        """Estimate from this attempt's speed, sampling and evaluation included; None if there is no ground for one."""
        steps = self.step - self.began_step
        if steps <= 0 or self.total_steps <= self.step:
            return None
        return (self.time - self.began) / steps * (self.total_steps - self.step)

    def _start(self, fields: Mapping[str, Any]) -> None:
        self.algorithm = str(fields.get("algorithm", ""))
        self.total_steps = whole(fields.get("total_steps"))
        self.outer_iterations = whole(fields.get("outer_iterations"))
        self.began, self.began_step = self.time, whole(fields.get("resumed_step"))
        self.step = self.began_step
        self.end = None

    def _phase(self, fields: Mapping[str, Any]) -> None:
        self.phase, self.unit = str(fields.get("phase", "")), str(fields.get("unit", ""))
        self.done, self.total = whole(fields.get("done")), whole(fields.get("total"))
        if self.phase != Phase.PAUSED:
            self.outer_iteration = whole(fields.get("outer_iteration", self.outer_iteration))
        if self.phase == Phase.UPDATE:
            self.inner_step, self.inner_steps = self.done, self.total

    def _metrics(self, fields: Mapping[str, Any]) -> None:
        self.step = whole(fields.get("step", self.step))
        self.outer_iteration = whole(fields.get("outer_iteration", self.outer_iteration))
        self.inner_step = whole(fields.get("inner_step", self.inner_step))
        self.tokens = whole(fields.get("tokens", self.tokens))
        self.elapsed = number(fields.get("elapsed")) or self.elapsed
        values = table(fields.get("values"))
        self.first = {**values, **self.first}
        self.last |= values

    def _evaluation(self, fields: Mapping[str, Any]) -> None:
        benchmark = str(fields.get("benchmark", ""))
        for metric, result in table(fields.get("values")).items():
            first, _ = self.evaluations.get((benchmark, metric), (table(result), {}))
            self.evaluations[benchmark, metric] = (first, table(result))
        file = str(fields.get("file", ""))
        self.items[benchmark] = (self.items.get(benchmark, (file, ""))[0], file)

    def _advice(self, fields: Mapping[str, Any]) -> None:
        t = whole(fields.get("outer_iteration"))
        self.advice[t] = Advice(t, str(fields.get("verdict", "")), str(fields.get("text", "")))

    def _alert(self, fields: Mapping[str, Any]) -> None:
        alert = Alert(
            whole(fields.get("step")),
            str(fields.get("level", "")),
            str(fields.get("code", "")),
            str(fields.get("text", "")),
        )
        if alert not in self.alerts:  # steps that a resume repeats warn again
            self.alerts.append(alert)


def whole(value: object) -> int:
    """A count of an event; 0 for what is none."""
    found = number(value)
    return int(found) if found is not None and abs(found) < float("inf") else 0


def table(value: object) -> Values:
    """A mapping of an event; empty for what is none."""
    return {str(key): item for key, item in value.items()} if isinstance(value, Mapping) else {}
