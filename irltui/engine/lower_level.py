"""The lower level of RFT: the policy step with its reference and its own optimizer. Knows no file and no event."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

from torch import Tensor

from irltui.api import BuildContext, Generation, LowerLevel, PolicyUpdate, Prompt, Sampler
from irltui.config.schema import RunConfig
from irltui.engine.guard import build_sampler, build_update
from irltui.engine.plan import Plan
from irltui.engine.stepper import Stepper, make_optimizer
from irltui.engine.timelimit import TimeLimit
from irltui.lm.policy import LanguageModelPolicy, score_all


@dataclass(frozen=True)
class Lower:
    """What moves the policy, and by which plan."""

    update: PolicyUpdate
    stepper: Stepper
    reference: InitialReference
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
    policy = context.policy
    if not isinstance(policy, LanguageModelPolicy):
        raise TypeError(f"RFT needs a transformers model, not a {type(policy).__name__}")

    def sampler(initial: LanguageModelPolicy, poll: Callable[[], None]) -> Sampler:
        # What draws elsewhere may serve the policy, too: an answer to `sample` would change its weights in the midst.
        poll = poll if config.sampler.uses_model else _no_poll
        return build_sampler(config.sampler, replace(context, policy=initial, poll=poll), limit)

    reference = InitialReference(policy, sampler, context)
    level = LowerLevel(config.reward.beta, reference, folder)
    update = build_update(config.update, replace(context, lower=level), limit)
    counts = (update.steps(len(plan.demonstrations(t))) for t in range(plan.outer_iterations))
    steps_before = (0, *accumulate(counts))
    optimizer = make_optimizer(config.optimizer, policy.parameters())
    together = policy.sharding is not None
    stepper = Stepper(optimizer, config.optimizer, steps_before[-1], backward, together=together)
    return Lower(update, stepper, reference, steps_before)


class InitialReference:
    """pi_0 as `irltui.api.Reference`: loaded at the first question, held until `release`.

    With adapters pi_0 is the policy with its adapter off. Commands are answered outside of that state alone: an
    answer to `sample` in the midst of it would be the wrong model's.

    Args:
        policy: whose initial weights are meant.
        make_sampler: a sampler over a policy, with the poll it may call.
        context: of the run's parts.
    """

    def __init__(
        self,
        policy: LanguageModelPolicy,
        make_sampler: Callable[[LanguageModelPolicy, Callable[[], None]], Sampler],
        context: BuildContext,
    ) -> None:
        self._policy, self._make_sampler, self._context = policy, make_sampler, context
        self._stack = ExitStack()
        self._past: Callable[[], AbstractContextManager[LanguageModelPolicy]] | None = None
        self._sampler: Sampler | None = None

    def log_probs(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]]) -> list[float]:
        """Log pi_0(y | x) in nats, in order."""
        with self._initial() as initial:
            rows = score_all(initial, prompts, responses, batch=self._context.batch)
        self._context.poll()
        return [sum(row) for row in rows]

    def sample(self, prompts: Sequence[Prompt], seed: int) -> Iterator[Generation]:
        """One generation per prompt, a group of the sampler's at a time."""
        with self._initial() as initial:
            if self._sampler is None:
                polls = _no_poll if self._policy.is_adapted else self._context.poll
                self._sampler = self._make_sampler(initial, polls)
        sampler = self._sampler
        for at in range(0, len(prompts), sampler.group):
            with self._initial():
                sampler.refresh()
                drawn = list(sampler.sample(prompts[at : at + sampler.group], self._context.decoding, seed))
            self._context.poll()
            yield from drawn

    def release(self) -> None:
        """Give the memory back."""
        self._stack.close()
        self._past = self._sampler = None

    def _initial(self) -> AbstractContextManager[LanguageModelPolicy]:
        if self._past is None:
            self._past = self._stack.enter_context(self._policy.past())
        return self._past()


def _no_poll() -> None:
    """Between two groups is often enough."""
