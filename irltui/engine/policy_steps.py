"""The lower level of RFT: the policy steps of an outer iteration, with an optimizer of their own.

Knows no algorithm: the update says what the losses are, here the policy moves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from irltui.api import Batch, BuildContext, LowerLevel, PolicyStep, PolicyUpdate
from irltui.config.schema import RunConfig
from irltui.distributed import ranks
from irltui.engine.diagnostics import Values
from irltui.engine.faults import keep_step
from irltui.engine.guard import broken, build_update
from irltui.engine.health import alerts
from irltui.engine.journal import Journal
from irltui.engine.plan import Plan
from irltui.engine.step_sums import means
from irltui.engine.stepper import Stepper, make_optimizer
from irltui.engine.timelimit import TimeLimit
from irltui.errors import NotFiniteError, TrainingError
from irltui.lm.policy import LanguageModelPolicy
from irltui.runs.events import Phase
from irltui.runs.folder import RunFolder

if TYPE_CHECKING:
    from irltui.engine.assemble import Parts


@dataclass(frozen=True)
class Lower:
    """What moves the policy, and by which plan."""

    update: PolicyUpdate
    stepper: Stepper
    steps_before: tuple[int, ...]
    """Policy steps before each outer iteration, and behind the last one those of the run."""

    @property
    def total_steps(self) -> int:
        return self.steps_before[-1]

    def steps(self, t: int) -> int:
        return self.steps_before[t + 1] - self.steps_before[t]


def make_lower(
    config: RunConfig,
    context: BuildContext,
    plan: Plan,
    folder: Path,
    backward: Callable[[Tensor], Any],
    limit: TimeLimit,
) -> Lower:
    """The lower level of a run, which keeps what it samples in `folder`; `backward` is accelerate's."""
    policy, reference = context.policy, context.initial
    assert reference is not None  # noqa: S101 - every assembly has one
    level = LowerLevel(config.reward.beta, reference, folder)
    update = build_update(config.update, replace(context, lower=level), limit)
    counts = (
        update.steps(len(plan.demonstrations(t)) + len(plan.more_prompts(t))) for t in range(plan.outer_iterations)
    )
    steps_before = (0, *accumulate(counts))
    optimizer = make_optimizer(config.optimizer, policy.parameters())
    together = isinstance(policy, LanguageModelPolicy) and policy.sharding is not None
    stepper = Stepper(optimizer, config.optimizer, steps_before[-1], backward, together=together)
    return Lower(update, stepper, steps_before)


class Improver:
    """Takes the policy steps; keeps one that fails in `run`, and saves checkpoints by `save`, which gets a reason."""

    def __init__(self, run: RunFolder, parts: Parts, journal: Journal, save: Callable[[str], None]) -> None:
        self._run, self._parts, self._journal, self._save = run, parts, journal, save

    def improve(self, t: int, lower: Lower) -> None:
        """Policy steps of outer iteration t from the position on.

        Raises:
            TrainingError: the update broke its contract, or its numbers are not finite.
            Stop: the run is to end.
        """
        parts, position = self._parts, self._journal.position
        if parts.reward is None or position.s >= lower.steps(t):
            return
        prompts = [parts.data.train[i].prompt for i in parts.plan.demonstrations(t)]
        prompts += [parts.data.prompts[i] for i in parts.plan.more_prompts(t)]
        self._journal.phase(Phase.IMPROVE, position.s, lower.steps(t), "steps")
        parts.sampler.refresh()
        self._steps(lower.update.losses(parts.reward, parts.sampler, prompts, t, position.s), t, lower)
        if position.s < lower.steps(t):
            raise self._broken(f"{position.s} of {lower.steps(t)} policy steps")

    def _steps(self, steps: Iterable[PolicyStep], t: int, lower: Lower) -> None:
        began, loss = time.monotonic(), 0.0
        batches: list[Batch] = []
        for step in steps:
            if step.s != self._journal.position.s or step.s >= lower.steps(t):
                raise self._broken(f"step {step.s} where {self._journal.position.s} was due")
            if step.responses is not None and step.weight is not None:
                batches.append(Batch(step.responses, -step.weight, step.last))
            try:
                loss += lower.stepper.accumulate(step.loss)
                if not step.last:
                    continue
                seconds = max(time.monotonic() - began, 1e-9)
                total = sum(ranks.gather([loss]))
                self._move(t, step, lower, {"policy/loss": total, "speed/policy_steps_per_second": 1 / seconds})
            except NotFiniteError as error:
                self._keep(batches, error)
                raise
            batches = []
            began, loss = time.monotonic(), 0.0

    def _move(self, t: int, step: PolicyStep, lower: Lower, values: Values) -> None:
        parts, position = self._parts, self._journal.position
        planned = lower.steps_before[t] + step.s
        values |= means(ranks.gather(parts.assembly.reported.take()))
        values |= {name: float(value) for name, value in step.values.items()}
        values["policy/gradient_norm"], values["policy/learning_rate"] = lower.stepper.step(planned)
        parts.policy.moved()
        parts.sampler.refresh()
        position.s = step.s + 1
        position.step += 1
        self._journal.metrics(values)
        self._journal.report(alerts(values, parts.setting))
        self._journal.mark()
        self._journal.phase(Phase.IMPROVE, position.s, lower.steps(t), "steps")
        every = parts.config.checkpoint.every_steps
        if every and position.step % every == 0:
            self._save("every_steps")
        parts.poll()

    def _keep(self, batches: Sequence[Batch], error: NotFiniteError) -> None:
        """Store a failed step for replay, and name its folder in the error."""
        trained, position = self._parts.trained(), self._journal.position
        folder = keep_step(self._run, trained, position, batches, error, is_policy_step=True)
        if folder:
            error.hint += f" Inspect its batch: irltui debug batch {folder}"

    def _broken(self, problem: str) -> TrainingError:
        return broken(f"update {self._parts.config.update.kind!r}", problem)
