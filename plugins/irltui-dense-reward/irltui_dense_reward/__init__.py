"""Dense reward of arXiv 2510.02493: log pi_SFT - log pi_half of each token, from two frozen models."""

from __future__ import annotations

from pydantic import Field

from irltui.api import BuildContext, Reward, RewardSpec, hookimpl


class LogRatio(RewardSpec):
    """r = scale * sum over tokens of log pi_SFT - log pi_half - baseline: what the second half of SFT has taught."""

    learns = False
    paths = ("sft", "half")
    sft: str = Field(min_length=1)
    """The finished SFT model: folder or hub name."""
    half: str = Field(min_length=1)
    """A checkpoint half-way through its training: folder or hub name."""
    beta: float = Field(default=0.1, gt=0)
    """KL weight of the policy step: the policy goes towards pi_ref exp(r / beta)."""
    scale: float = Field(default=1.0, gt=0)
    """Multiplies every token's reward."""
    baseline: float = 0.0
    """Subtracted from every token's reward, in nats before scaling."""

    def build(self, context: BuildContext) -> Reward:
        from irltui_dense_reward.reward import load

        return load(context, self.sft, self.half, scale=self.scale, baseline=self.baseline)


@hookimpl
def irltui_rewards() -> dict[str, type[RewardSpec]]:
    return {"log_ratio": LogRatio}
