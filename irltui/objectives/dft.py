"""DFT: likelihood in which each token counts as much as the policy already believes in it.

    L = -sum over t of sg(pi(y_t)) log pi(y_t)

sg takes no gradient. What the policy finds unlikely, new facts or noise, is learned slowly or not at all: a baseline
for demonstrations that mostly say what the model half knows. Tokens are weighted as sft.weighting says.

Source: arXiv 2508.05629; SFTConfig(loss_type="dft") of TRL. No options.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec

if TYPE_CHECKING:
    from torch import Tensor


class Dft(ObjectiveSpec):
    """Dynamic fine-tuning: each token's likelihood weighted by its own probability."""

    def build(self, context: BuildContext) -> Objective:
        """The objective; it has no state."""
        return DftLoss()


class DftLoss(Objective):
    """The loss above."""

    def losses(self, batch: Batch) -> Tensor:
        """(B,)."""
        logp = batch.token_log_probs()[: len(batch.weight)]
        return -(logp.detach().exp() * logp).sum(-1)
