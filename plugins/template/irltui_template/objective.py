"""An objective: likelihood of the demonstrations, where tokens that are known count less. Generates nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec, hookimpl

if TYPE_CHECKING:
    from torch import Tensor


class Focal(ObjectiveSpec):
    """-(1 - pi(y_t))^focus log pi(y_t): tokens that the policy knows already count less."""

    focus: float = Field(default=1.0, ge=0)
    """How much less; 0 is `sft`."""

    def build(self, context: BuildContext) -> Objective:
        return FocalLoss(self.focus)


class FocalLoss(Objective):
    """Has no state; the batch computes what it is asked for."""

    def __init__(self, focus: float) -> None:
        self._focus = focus

    def losses(self, batch: Batch) -> Tensor:
        logp = batch.token_log_probs()[: len(batch.weight)]  # the demonstrations come first
        return -((1 - logp.exp()) ** self._focus * logp).sum(-1)


@hookimpl
def irltui_objectives() -> dict[str, type[ObjectiveSpec]]:
    return {"focal": Focal}
