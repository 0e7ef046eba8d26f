"""DFT: likelihood in which each token counts as much as the policy already believes in it.

    L = -sum over t of sg(pi(y_t)) log pi(y_t) + anchor * sum over t of KL(pi(. | x, y_<t) || pi_0(. | x, y_<t))

sg takes no gradient. What the policy finds unlikely, new facts or noise, is learned slowly or not at all: a baseline
for demonstrations that mostly say what the model half knows. The anchor (ASFT) keeps the policy near the start model.
Tokens are weighted as sft.weighting says.

Sources: DFT (arXiv 2508.05629; SFTConfig(loss_type="dft") of TRL), ASFT (2509.23753). Default: no anchor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec, Reference

if TYPE_CHECKING:
    from torch import Tensor


class Dft(ObjectiveSpec):
    """Dynamic fine-tuning: each token's likelihood weighted by its own probability."""

    anchor: float = Field(default=0.0, ge=0)
    """Weight of the KL to the start model; 0 is plain DFT, above it each step costs a pass of the start model."""

    @property
    def frozen_models(self) -> int:
        return int(self.anchor > 0)

    def build(self, context: BuildContext) -> Objective:
        return DftLoss(self.anchor, context.initial)


class DftLoss(Objective):
    """The loss above."""

    def __init__(self, anchor: float = 0.0, initial: Reference | None = None) -> None:
        self._anchor, self._initial = anchor, initial

    def losses(self, batch: Batch) -> Tensor:
        anchor = self._anchor * self._divergence(batch) if self._anchor else 0.0
        logp = batch.token_log_probs()
        return -(logp.detach().exp() * logp).sum(-1) + anchor

    def _divergence(self, batch: Batch) -> Tensor:
        """KL(pi || pi_0) summed over the tokens of each demonstration, (B,)."""
        from torch.nn.functional import kl_div

        assert batch.policy is not None and self._initial is not None  # noqa: S101, PT018 - the engine gives both
        mask = batch.responses.response_mask
        start = self._initial.log_distributions(batch.responses)
        values = kl_div(start, batch.policy.log_distributions(batch.responses), reduction="none", log_target=True)
        return values.new_zeros(mask.shape).masked_scatter(mask, values.sum(-1)).sum(-1)
