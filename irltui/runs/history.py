"""From events to the state of a run: the one reading of events.jsonl that all viewers share.

`RunHistory` takes events in one pass and keeps what can be shown: curves, samples, evaluations, alerts, the
progress of the present phase, answers to commands. Events are not trusted: a field of the wrong type counts as
damage or as absent, never as an error. Knows no file and no screen.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from irltui.runs.data_event import read_data
from irltui.runs.events import Event, Kind, Phase, number
from irltui.runs.records import (
    ASKED,
    Alert,
    Answer,
    Checkpoint,
    Data,
    End,
    Evaluation,
    Figure,
    LogLine,
    Progress,
    Sample,
    Start,
)
from irltui.runs.series import Rows, Series

LONGEST_LOG = 1_000
MOST_METRICS = 2_000  # more names than that are damage


@dataclass
class RunHistory:
    """Everything the events so far add up to.

    `samples` are by outer iteration, then prompt id; `asked` are answers to typed prompts. `phases` holds the
    beginning of each phase. `not_finite` counts values that are NaN or infinite, `damaged` events whose fields
    are not what their kind demands. `version` grows whenever something changed.
    """

    rows: Rows = field(default_factory=Rows)
    metrics: dict[str, Series] = field(default_factory=dict)
    samples: dict[int, dict[str, Sample]] = field(default_factory=dict)
    asked: list[Sample] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    log: deque[LogLine] = field(default_factory=lambda: deque(maxlen=LONGEST_LOG))
    phases: list[Progress] = field(default_factory=list)
    progress: Progress = field(default_factory=Progress)
    start: Start = field(default_factory=Start)
    data: Data | None = None
    first_time: float = 0.0
    last_time: float = 0.0
    end: End | None = None
    not_finite: int = 0
    damaged: int = 0
    version: int = 0

    def __post_init__(self) -> None:
        self._takers: dict[str, Callable[[Event], None]] = {
            Kind.RUN_START: self._run_start,
            Kind.DATA: self._data,
            Kind.PHASE: self._phase,
            Kind.METRICS: self._metrics,
            Kind.SYSTEM: self._system,
            Kind.SAMPLE: self._sample,
            Kind.EVALUATION: self._evaluation,
            Kind.CHECKPOINT: self._checkpoint,
            Kind.ALERT: self._alert,
            Kind.ADVICE: self._advice,
            Kind.CONTROL: self._control,
            Kind.LOG: self._log,
            Kind.RUN_END: self._run_end,
        }

    def take(self, events: Iterable[Event]) -> None:
        """Take in the next events; unknown kinds and fields change nothing, wrong ones are counted."""
        takers = self._takers
        for event in events:
            taker = takers.get(event.kind)
            if taker is None or not math.isfinite(event.time):
                continue
            self.last_time = event.time
            try:
                taker(event)
            except (TypeError, ValueError, LookupError, OverflowError, AttributeError):
                self.damaged += 1
        self.first_time = self.first_time or self.start.time
        self.version += 1

    @property
    def step(self) -> int:
        """Optimizer steps so far."""
        reached = int(self.rows.step[-1]) if len(self.rows) else 0
        return max(reached, self.start.resumed_step or 0)

    @property
    def elapsed(self) -> float:
        """Seconds of work so far, over all attempts."""
        return self.rows.elapsed[-1] if len(self.rows) else 0.0

    def sampled(self) -> list[int]:
        """The outer iterations that have samples, in order."""
        return sorted(self.samples)

    # -- one method an event kind ----------------------------------------------------------------

    def _run_start(self, event: Event) -> None:
        fields = event.fields
        resumed = fields.get("resumed_step")
        if isinstance(seq := fields.get("resumed_seq"), int):
            self._rewind(seq)
        self.end = None
        self.start = Start(
            event.time,
            _count(fields.get("attempt")),
            _count(fields.get("pid")),
            _text(fields.get("host")),
            _text(fields.get("algorithm")),
            _count(fields.get("total_steps")),
            _count(fields.get("outer_iterations")),
            _count(resumed) if resumed is not None else None,
        )

    def _data(self, event: Event) -> None:
        self.data = read_data(event.fields)

    def _rewind(self, seq: int) -> None:
        """Forget what was lost with the weights that made it."""
        left = self.rows.cut(seq)
        for series in self.metrics.values():
            series.cut(left)
        self.metrics = {name: series for name, series in self.metrics.items() if len(series)}
        self.samples = {
            t: kept
            for t, samples in self.samples.items()
            if (kept := {key: sample for key, sample in samples.items() if sample.seq < seq})
        }
        self.asked = [sample for sample in self.asked if sample.seq < seq]
        self.evaluations = [evaluation for evaluation in self.evaluations if evaluation.seq < seq]
        self.alerts = [alert for alert in self.alerts if alert.seq < seq]
        self.not_finite = sum(not math.isfinite(v) for series in self.metrics.values() for v in series.values)

    def _phase(self, event: Event) -> None:
        fields, before = event.fields, self.progress
        phase = _text(fields.get("phase"))
        outer = fields.get("outer_iteration")
        t = before.outer_iteration if phase == Phase.PAUSED or outer is None else _count(outer)
        unit, done = _text(fields.get("unit")), _count(fields.get("done"))
        goes_on = (phase, t, unit) == (before.phase, before.outer_iteration, before.unit) and done >= before.done
        since = before.since if goes_on else event.time
        self.progress = Progress(event.time, since, phase, t, done, _count(fields.get("total")), unit)
        if not goes_on:
            self.phases.append(self.progress)

    def _metrics(self, event: Event) -> None:
        fields = event.fields
        self._row(event, fields["values"], fields, "")

    def _system(self, event: Event) -> None:
        rows = self.rows
        place = {
            "step": event.fields.get("step", self.step),
            "tokens": rows.tokens[-1] if len(rows) else 0,
            "elapsed": rows.elapsed[-1] if len(rows) else 0.0,
            "outer_iteration": rows.outer_iteration[-1] if len(rows) else 0,
        }
        self._row(event, event.fields["values"], place, "system/")

    def _row(self, event: Event, values: Any, place: Mapping[str, Any], prefix: str) -> None:
        rows, metrics = self.rows, self.metrics
        step, tokens, elapsed = place.get("step"), place.get("tokens"), place.get("elapsed")
        # Compared with the plain types first: this is the one path that a long run takes 100,000 times.
        if type(step) is not int or type(tokens) is not int or type(elapsed) is not float:
            step, tokens, elapsed = _finite(step), _finite(tokens), _finite(elapsed)
        items = values.items()
        at = len(rows)
        rows.seq.append(event.seq)
        rows.time.append(event.time)
        rows.step.append(step)
        rows.tokens.append(tokens)
        rows.elapsed.append(elapsed)
        rows.outer_iteration.append(_count(place.get("outer_iteration")))
        rows.inner_step.append(_count(place.get("inner_step")))
        for name, value in items:
            if type(value) is not float:
                value = number(value)  # noqa: PLW2901 - the same value, read
                if value is None:
                    self.damaged += 1
                    continue
            if not math.isfinite(value):
                self.not_finite += 1
            series = metrics.get(prefix + name if prefix else name)
            if series is None:
                if len(metrics) >= MOST_METRICS:
                    self.damaged += 1
                    continue
                series = metrics[prefix + name] = Series()
            series.rows.append(at)
            series.values.append(value)

    def _sample(self, event: Event) -> None:
        fields = event.fields
        rewards = fields.get("token_rewards")
        pieces = fields.get("pieces")
        sample = Sample(
            event.seq,
            event.time,
            _count(fields.get("step")),
            _count(fields.get("outer_iteration")),
            _text(fields.get("prompt_id")),
            _text(fields.get("prompt")),
            _text(fields.get("demonstration")),
            _text(fields.get("generation")),
            bool(fields.get("ended")),
            _count(fields.get("tokens")),
            number(fields.get("reward")),
            tuple(_nan(item) for item in rewards) if isinstance(rewards, list) else (),
            tuple(_text(piece) for piece in pieces) if isinstance(pieces, list) else (),
        )
        if sample.prompt_id == ASKED:
            self.asked.append(sample)
        else:
            self.samples.setdefault(sample.outer_iteration, {})[sample.prompt_id] = sample

    def _evaluation(self, event: Event) -> None:
        fields = event.fields
        figures = {
            _text(name): Figure(
                _nan(value.get("mean")), _nan(value.get("low")), _nan(value.get("high")), _count(value.get("n"))
            )
            for name, value in fields["values"].items()
        }
        place = _count(fields.get("step")), _count(fields.get("outer_iteration"))
        names = _text(fields.get("benchmark")), figures, _text(fields.get("file"))
        self.evaluations.append(Evaluation(event.seq, event.time, *place, *names))

    def _checkpoint(self, event: Event) -> None:
        fields = event.fields
        self.checkpoints.append(
            Checkpoint(
                event.time,
                _count(fields.get("step")),
                _text(fields.get("name")),
                _finite(fields.get("seconds")),
                _count(fields.get("bytes")),
                _text(fields.get("reason")),
            )
        )

    def _alert(self, event: Event) -> None:
        fields = event.fields
        words = _text(fields.get("level")), _text(fields.get("code")), _text(fields.get("text"))
        self.alerts.append(Alert(event.seq, event.time, _count(fields.get("step")), *words))

    def _advice(self, event: Event) -> None:
        """Shown where alerts are, at a level of its own."""
        fields = event.fields
        words = "advice", _text(fields.get("verdict")), _text(fields.get("text"))
        self.alerts.append(Alert(event.seq, event.time, _count(fields.get("step")), *words))

    def _control(self, event: Event) -> None:
        fields = event.fields
        words = _text(fields.get("command")), _text(fields.get("state")), _text(fields.get("detail"))
        self.answers[_text(fields.get("id"))] = Answer(event.time, *words)

    def _log(self, event: Event) -> None:
        self.log.append(LogLine(event.time, _text(event.fields.get("level")), _text(event.fields.get("text"))))

    def _run_end(self, event: Event) -> None:
        fields = event.fields
        words = _text(fields.get("state")), _text(fields.get("reason")), _text(fields.get("hint"))
        self.end = End(event.time, *words, _count(fields.get("exit_code")), _count(fields.get("step")))

    def phase_at(self, time: float) -> Progress:
        """The phase that had begun last at `time`."""
        at = bisect_right(self.phases, time, key=lambda phase: phase.time)
        return self.phases[at - 1] if at else Progress()


def _text(value: object) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)


def _finite(value: object) -> float:
    found = number(value)
    return found if found is not None and math.isfinite(found) else 0.0


def _count(value: object) -> int:
    return int(_finite(value))


def _nan(value: object) -> float:
    found = number(value)
    return math.nan if found is None else found
