"""The rewards irltui ships: declared here, without torch, and built in the module beside."""

from __future__ import annotations

from pydantic import Field

from irltui.api import BuildContext, Reward, RewardSpec, hookimpl


class Implicit(RewardSpec):
    """r = beta log(pi / pi_ref), the reward of IRFT and SPIN (Algorithm 2)."""

    implicit = True
    beta: float = Field(default=0.1, gt=0)
    """KL weight; small values let the reward pull the policy far."""

    def build(self, context: BuildContext) -> Reward:
        """The reward over the policy's own log-probabilities."""
        from irltui.rewards.implicit import ImplicitReward

        return ImplicitReward(context.policy, self.beta, per_token=bool(context.options.get("per_token")))


@hookimpl
def irltui_rewards() -> dict[str, type[RewardSpec]]:
    """Rewards by name."""
    return {"implicit": Implicit}
