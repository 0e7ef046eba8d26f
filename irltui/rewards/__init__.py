"""The rewards irltui ships: declared here, without torch, and built in the modules beside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from irltui.api import BuildContext, Reward, RewardSpec, hookimpl


class Implicit(RewardSpec):
    """r = beta log(pi / pi_ref), the reward of IRFT and SPIN (Algorithm 2)."""

    implicit = True
    beta: float = Field(default=0.1, gt=0)
    """KL weight; small values let the reward pull the policy far."""

    def build(self, context: BuildContext) -> Reward:
        """The reward over the policy's own log-probabilities."""
        from irltui.rewards.implicit import ImplicitReward

        return ImplicitReward(context.policy, self.beta)


class Explicit(RewardSpec):
    """A reward network of its own, trunk and scalar head, as RFT learns it (Algorithm 1)."""

    needs_reference = False
    paths = ("model",)
    beta: float = Field(default=0.1, gt=0)
    """KL weight of the lower level: the policy goes towards pi_ref exp(r / beta)."""
    model: str = Field(default="policy", min_length=1)
    """Trunk: policy is another copy of model.name; or a hub name or folder with the same tokenizer."""
    freeze: Annotated[int, Field(ge=0)] | Literal["auto"] = 0
    """How many of the lowest layers stay as they are, the embeddings with them; 0 trains all, auto is the paper's 20,
    and five sixths of less than 24."""
    lora_rank: int = Field(default=0, ge=0)
    """Train LoRA adapters of this rank on the trunk, and the head; 0 trains the weights."""
    lora_alpha: int = Field(default=16, ge=1)
    """Scale of these adapters: they enter with alpha / rank."""
    bound: float = Field(default=0.0, ge=0)
    """R: rewards are R tanh(r / R), so none exceeds R; 0 is off. The linear loss needs this, l2 or a small K."""
    l2: float = Field(default=0.0, ge=0)
    """Penalty on the mean square of a pair's rewards."""
    center: float = Field(default=0.01, ge=0)
    """Penalty on the squared mean of a pair's rewards: gaps leave the zero of the scale free."""
    init: Literal["continue", "restart"] = "continue"
    """continue goes on from the last outer iteration's reward, restart begins each with a new one."""
    history: Annotated[int, Field(ge=1)] | Literal["all"] = 1
    """Train on the pairs of so many outer iterations, the newest included."""

    @model_validator(mode="after")
    def _consistent(self) -> Explicit:
        if self.freeze not in {0, "auto"} and self.lora_rank:
            raise ValueError("reward.freeze has no meaning beside lora_rank: the trunk is frozen already")
        return self

    @property
    def window(self) -> int | None:
        """From `history`."""
        return None if self.history == "all" else self.history

    def frozen(self, layers: int) -> int:
        """From `freeze`, of so many layers."""
        if self.freeze == "auto":
            return 0 if self.lora_rank else min(20, layers * 5 // 6)
        return self.freeze

    def build(self, context: BuildContext) -> Reward:
        """The network on the policy's device.

        Raises:
            ModelError: it cannot be had, or reads other tokens than the policy writes.
        """
        from irltui.rewards.build import build_explicit

        return build_explicit(self, context)


@hookimpl
def irltui_rewards() -> dict[str, type[RewardSpec]]:
    """Rewards by name."""
    return {"implicit": Implicit, "explicit": Explicit}
