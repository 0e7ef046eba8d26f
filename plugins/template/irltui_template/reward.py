"""A reward: the policy's log-ratio, squeezed so that no single response dominates a step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from irltui.api import BuildContext, Policy, Responses, Reward, RewardSpec, hookimpl

if TYPE_CHECKING:
    from torch import Tensor, nn


class Bounded(RewardSpec):
    """r = limit tanh(beta log(pi / pi_ref) / limit): like `implicit`, but never beyond the limit."""

    implicit = True
    beta: float = Field(default=0.1, gt=0)
    """KL weight."""
    limit: float = Field(default=2.0, gt=0)
    """No reward is larger than this."""

    def build(self, context: BuildContext) -> Reward:
        return BoundedReward(context.policy, self.beta, self.limit)


class BoundedReward(Reward):
    """The policy is its only parameter."""

    def __init__(self, policy: Policy, beta: float, limit: float) -> None:
        self._policy, self._beta, self._limit = policy, beta, limit

    def score(self, responses: Responses) -> Tensor:
        log_ratio = self._policy.log_probs(responses) - responses.logp_ref
        return self._limit * (self._beta * log_ratio / self._limit).tanh()

    def parameters(self) -> Iterator[nn.Parameter]:
        return self._policy.parameters()


@hookimpl
def irltui_rewards() -> dict[str, type[RewardSpec]]:
    return {"bounded": Bounded}
