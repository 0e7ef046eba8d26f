"""A reward for each token: the log-odds that a discriminator gives to its being a demonstrator's (GAIL, AIRL).

    L = mean over tokens of y of softplus(-d_t) + mean over n generations and tokens of y~ of softplus(d_t)
    r(x, y) = mean over tokens of d_t;  d_t = log D_t / (1 - D_t)

d_t is made by a small recurrent network that has read the prompt and the response up to token t. It shares nothing
with the policy, and trains by an optimizer of its own: [reward_optimizer], whose defaults this plugin sets.

Sources: GAIL (arXiv 1606.03476), AIRL's log-odds reward (1710.11248), language models (2409.01369).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from irltui.api import BuildContext, Reward, RewardSpec, hookimpl


class TokenDiscriminator(RewardSpec):
    """Log-odds of each token being a demonstrator's, averaged over the response; a network of its own learns them."""

    needs_reference = False
    defaults: ClassVar[Mapping[str, Any]] = {"reward_optimizer": {"learning_rate": 3e-3, "weight_decay": 0.01}}

    beta: float = Field(default=0.1, gt=0)
    """KL weight: the policy moves towards pi_ref exp(r / beta)."""
    width: int = Field(default=64, ge=1)
    """Units of the recurrent network, and size of its token embeddings."""
    bound: float = Field(default=5.0, gt=0)
    """Log-odds lie between plus and minus this, so that a sure discriminator still pays by degrees."""

    def build(self, context: BuildContext) -> Reward:
        from irltui_token_discriminator.reward import Discriminator

        return Discriminator(context, self.width, self.bound)


@hookimpl
def irltui_rewards() -> dict[str, type[RewardSpec]]:
    return {"token": TokenDiscriminator}
