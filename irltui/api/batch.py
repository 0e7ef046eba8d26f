"""What an objective is handed: demonstrations, the generations for their prompts, and what model and reward say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from torch import Tensor

    from irltui.api.context import Policy
    from irltui.api.data import Demonstration, Generation
    from irltui.api.parts import Reward

Sides: TypeAlias = "tuple[Tensor, Tensor]"
"""Numbers of B demonstrations, (B,), and of the generations for their prompts, (B, n)."""


@dataclass(slots=True, eq=False)
class Batch:
    """B demonstrations, with n generations for the prompt of each, in one forward pass.

    What is asked of model and reward is computed once, however often it is asked.
    """

    responses: Any
    """`Responses`: B demonstrations, then the first generation for each of their prompts, then the second, ..."""
    weight: Tensor
    """(B,): what each demonstration's loss counts in the optimizer step; the engine multiplies, not the objective."""
    last: bool = True
    """The optimizer steps after this batch."""
    differs: Tensor | None = None
    """(B, n), 0 where y~ == y: that gap is zero and has no gradient; None if all differ."""
    demonstrations: Sequence[Demonstration] = ()
    """The rows: id, prompt and text of each of the B."""
    generations: Sequence[Sequence[Generation]] = ()
    """The n of each."""
    policy: Policy | None = None
    reward: Reward | None = None
    _rewards: Tensor | None = field(default=None, init=False, repr=False)

    def log_probs(self) -> Sides:
        """Log pi(y | x) in nats, summed over the response; differentiable."""
        assert self.policy is not None  # noqa: S101 - the engine gives one
        return self.split(self.policy.log_probs(self.responses))

    def token_log_probs(self) -> Tensor:
        """Log pi of each token, (B + nB, L) float32, demonstrations first, zero outside responses; differentiable."""
        assert self.policy is not None  # noqa: S101 - the engine gives one
        return self.policy.token_log_probs(self.responses)

    def log_ratios(self) -> Sides:
        """D = log(pi / pi_ref); differentiable."""
        assert self.policy is not None  # noqa: S101 - the engine gives one
        return self.split(self.policy.log_probs(self.responses) - self.responses.logp_ref)

    def rewards(self) -> Sides:
        """r(x, y), differentiable in whatever the reward learns."""
        assert self.reward is not None  # noqa: S101 - an objective that asks for it has declared a reward
        if self._rewards is None:
            self._rewards = self.reward.score(self.responses)
        return self.split(self._rewards)

    def gaps(self) -> Tensor:
        """r(x, y) - r(x, y~), (B, n); exactly zero, and without gradient, where y~ == y."""
        demonstration, generations = self.rewards()
        gap = demonstration[:, None] - generations
        return gap if self.differs is None else gap * self.differs

    def split(self, values: Tensor) -> Sides:
        """One number per response as those of the demonstrations, (B,), and of the generations, (B, n)."""
        count = len(self.weight)
        return values[:count], values[count:].view(-1, count).T
