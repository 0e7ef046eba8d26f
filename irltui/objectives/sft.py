"""Supervised fine-tuning: the likelihood of the demonstrations, the baseline that every claim carries.

    L = -log pi(y | x)

By default every token of a step counts the same; sft.weighting = "sequence" lets every demonstration count the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec

if TYPE_CHECKING:
    from torch import Tensor


class Sft(ObjectiveSpec):
    """Maximum likelihood of the demonstrations."""

    def build(self, context: BuildContext) -> Objective:
        return NegativeLogLikelihood()


class NegativeLogLikelihood(Objective):
    """-log pi(y | x)."""

    def losses(self, batch: Batch) -> Tensor:
        return -batch.log_probs()[0]
