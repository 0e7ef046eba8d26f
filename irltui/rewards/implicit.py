"""The implicit reward: the policy's own log-ratio. Knows nothing of how the reference was chosen."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from irltui.algorithm import implicit_reward
from irltui.api import Policy, Responses, Reward


class ImplicitReward(Reward):
    """r(x, y) = beta log(pi(y | x) / pi_ref(y | x)) (Algorithm 2).

    Args:
        policy: pi_theta.
        beta: KL weight.
        per_token: divide by the response's length, as the link `sigmoid_norm` wants.
    """

    def __init__(self, policy: Policy, beta: float, *, per_token: bool = False) -> None:
        self._policy, self._beta, self._per_token = policy, beta, per_token

    def score(self, responses: Responses) -> Tensor:
        """(B,) float32, differentiable in the policy's parameters."""
        reward = implicit_reward(self._policy.log_probs(responses), responses.logp_ref, self._beta)
        return reward / responses.response_mask.sum(-1) if self._per_token else reward

    def parameters(self) -> Iterator[nn.Parameter]:
        """The policy's."""
        return self._policy.parameters()
