"""Offline inverse Q-learning (arXiv 2409.01369): likelihood with a temporal-difference term on the model's logits.

    L = -sum over t of log pi(y_t) + weight * sum over t of (Q_t - discount V_{t+1})^2

Q_t is the logit of y_t, V_t the log-sum-exp of the logits it stands among, and V behind the last token is 0. As
log pi = Q - V, the first sum is SFT's loss; the second asks the logits, which SFT leaves free up to a constant at each
token, to be values: what a token is worth in the long run. Nothing is generated. With weight 0 it is `sft`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class InverseQ(ObjectiveSpec):
    """Likelihood of the demonstrations with a temporal-difference term; draws nothing."""

    weight: float = Field(default=0.01, ge=0)
    """Of the temporal-difference term; 0 is supervised fine-tuning."""
    discount: float = Field(default=1.0, gt=0, le=1)
    """How much the next token's value counts."""

    def build(self, context: BuildContext) -> Objective:
        return InverseQLoss(self.weight, self.discount)


class InverseQLoss(Objective):
    """The loss above."""

    def __init__(self, weight: float, discount: float) -> None:
        self._weight, self._discount = weight, discount
        self._residuals: Tensor | None = None

    def losses(self, batch: Batch) -> Tensor:
        """(B,) float32."""
        responses, policy = batch.responses, batch.policy
        logits = (
            policy.model(input_ids=responses.input_ids, attention_mask=responses.attention_mask.long(), use_cache=False)
            .logits[:, :-1]
            .float()
        )
        mask = responses.response_mask[:, 1:]  # logits at a token speak of the next one
        q = logits.gather(-1, responses.input_ids[:, 1:, None])[..., 0]
        v = logits.logsumexp(-1)
        later = (v * mask)[:, 1:]  # zero behind the end
        following = later.new_zeros(q.shape)
        following[:, :-1] = later
        residual = (q - self._discount * following).square() * mask
        self._residuals = residual.sum(-1).detach() / mask.sum(-1)
        return ((v - q) * mask).sum(-1) + self._weight * residual.sum(-1)

    def metrics(self, batch: Batch) -> Mapping[str, Tensor]:
        """iq/residual: mean squared temporal difference of a token."""
        return {} if self._residuals is None else {"iq/residual": self._residuals}


@hookimpl
def irltui_objectives() -> dict[str, type[ObjectiveSpec]]:
    return {"td": InverseQ}
