"""IRFT and RFT: the reward gap between a demonstration and a generation for the same prompt.

    L = mean over n generations of h(D),  D = r(x, y) - r(x, y~)

h is loss.kind, n is objective.generations (IRFT alone). IRFT (Algorithm 2 of arXiv 2405.17888) has the reward
r = beta log(pi / pi_ref), so that learning r is improving pi; one outer iteration is SPIN. In RFT (Algorithm 1) r has
its own parameters, and policy steps follow it. Both may add the reward's own penalty, IRFT loss.gamma * NLL(y) per
token. Defaults: sigmoid, beta 0.1, one generation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar

from pydantic import Field

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec, Reward

if TYPE_CHECKING:
    from torch import Tensor


class Irft(ObjectiveSpec):
    """Implicit reward: the policy's own log-ratio to the reference."""

    reward = "implicit"

    generations: int = Field(default=1, ge=1)
    """Generations that each demonstration is compared with; their losses are averaged."""

    @property
    def draws(self) -> int:
        return self.generations

    def build(self, context: BuildContext) -> Objective:
        return gap_loss(context)


class Rft(ObjectiveSpec):
    """Explicit reward: a network of its own, which policy steps follow."""

    reward = "explicit"
    refuses: ClassVar[Mapping[str, str]] = dict.fromkeys(
        ("rolling", "mix"), "its pi_ref is the initial policy: set it to 'fixed'"
    )

    @property
    def draws(self) -> int:
        return 1

    def build(self, context: BuildContext) -> Objective:
        return gap_loss(context)


def gap_loss(context: BuildContext) -> Objective:
    """The loss of [loss] over the run's reward."""
    from irltui.algorithm import link

    reward, loss = context.reward, context.loss
    assert reward is not None and loss is not None  # noqa: S101, PT018 - the engine gives both
    return GapLoss(link(loss.kind, beta=context.beta, noise=loss.noise), reward, loss.gamma)


class GapLoss(Objective):
    """h(D) or the reward's own loss, with its penalty and gamma * NLL(y) / |y|."""

    def __init__(self, h: Callable[[Tensor], Tensor], reward: Reward | None = None, gamma: float = 0.0) -> None:
        self._h, self._reward, self._gamma = h, reward, gamma

    def losses(self, batch: Batch) -> Tensor:
        own = self._reward.losses(batch) if self._reward is not None else None
        losses = self._h(batch.gaps()).mean(-1) if own is None else own
        penalty = self._reward.penalty(batch.responses) if self._reward is not None else None
        if penalty is not None:
            losses = losses + penalty
        if not self._gamma:
            return losses
        lengths = batch.responses.response_mask[: len(losses)].sum(-1)
        return losses - self._gamma * batch.log_probs()[0] / lengths
