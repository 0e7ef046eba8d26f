"""The policy steps of one outer iteration: RFT's lower level, from where it stands to its end.

Knows no algorithm: the update says what the losses are, here the policy moves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from irltui.api import Batch, PolicyStep
from irltui.distributed import ranks
from irltui.engine.assemble import Parts
from irltui.engine.diagnostics import Values
from irltui.engine.faults import keep_step
from irltui.engine.health import alerts
from irltui.engine.journal import Journal
from irltui.engine.lower_level import Lower
from irltui.engine.told import means
from irltui.errors import NotFiniteError, TrainingError
from irltui.runs.events import Phase
from irltui.runs.folder import RunFolder


class Improver:
    """Takes the policy steps.

    Args:
        run: the folder, where a step that fails is kept.
        parts: with a lower level.
        journal: for metrics, and the position.
        save: saves a checkpoint for a reason.
    """

    def __init__(self, run: RunFolder, parts: Parts, journal: Journal, save: Callable[[str], str]) -> None:
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
            self._check(step, lower.steps(t))
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
        values |= means(ranks.gather(parts.assembly.told.take()))
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
        """Keep a step that failed for replay, and say where it is."""
        trained, position = self._parts.trained(), self._journal.position
        folder = keep_step(self._run, trained, position, batches, error, is_policy_step=True)
        if folder:
            error.hint += f" To look at its batch: irltui debug batch {folder}"

    def _check(self, step: PolicyStep, steps: int) -> None:
        if step.s != self._journal.position.s or step.s >= steps:
            raise self._broken(f"step {step.s} where {self._journal.position.s} was due")

    def _broken(self, problem: str) -> TrainingError:
        return TrainingError(
            f"update {self._parts.config.update.kind!r} broke its contract: {problem}",
            'Report it to its author; update.kind = "rloo" and "boltzmann" are built in.',
        )
