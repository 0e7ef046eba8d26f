"""The lower level of RFT: the policy step with its reference and its own optimizer. Knows no file and no event."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from torch import Tensor

from irltui.api import BuildContext, LowerLevel, PolicyUpdate
from irltui.config.schema import RunConfig
from irltui.engine.guard import build_update
from irltui.engine.plan import Plan
from irltui.engine.stepper import Stepper, make_optimizer
from irltui.engine.timelimit import TimeLimit
from irltui.lm.policy import LanguageModelPolicy


@dataclass(frozen=True)
class Lower:
    """What moves the policy, and by which plan."""

    update: PolicyUpdate
    stepper: Stepper
    steps_before: tuple[int, ...]
    """Policy steps before each outer iteration, and behind the last one those of the run."""

    @property
    def total_steps(self) -> int:
        """Of the run."""
        return self.steps_before[-1]

    def steps(self, t: int) -> int:
        """Of outer iteration t."""
        return self.steps_before[t + 1] - self.steps_before[t]


def make_lower(
    config: RunConfig,
    context: BuildContext,
    plan: Plan,
    folder: Path,
    backward: Callable[[Tensor], Any],
    limit: TimeLimit,
) -> Lower:
    """The lower level of a run.

    Args:
        config: of the run.
        context: of its parts; the policy is a language model.
        plan: says how many prompts each outer iteration has.
        folder: samples/ of the run.
        backward: accelerate's, or `Tensor.backward`.
        limit: how long a plugin's part may take for an answer.
    """
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
