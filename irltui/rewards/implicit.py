"""The implicit reward: the policy's own log-ratio to the reference."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from irltui.algorithm import implicit_reward
from irltui.api import Policy, Responses, Reward


class ImplicitReward(Reward):
    """r(x, y) = beta log(pi(y | x) / pi_ref(y | x)) (Algorithm 2)."""

    def __init__(self, policy: Policy, beta: float) -> None:
        self._policy, self._beta = policy, beta

    def score(self, responses: Responses) -> Tensor:
        return implicit_reward(self._policy.log_probs(responses), responses.logp_ref, self._beta)

    def token_scores(self, responses: Responses) -> Tensor | None:
        if responses.token_logp_ref is None:
            return None
        return implicit_reward(self._policy.token_log_probs(responses), responses.token_logp_ref, self._beta)

    def parameters(self) -> Iterator[nn.Parameter]:
        return self._policy.parameters()
