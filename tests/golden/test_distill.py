"""Distillation of a strength: the guided teacher is its only minimum, and the teacher is the one that decoding uses."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from irltui.algorithm import Guidance, learn
from irltui.api import Batch, Responses
from irltui.objectives.distill import DistillLoss

F = torch.float64
START = torch.tensor([0.10, 0.15, 0.20, 0.25, 0.30], dtype=F)
FINISHED = torch.tensor([0.30, 0.25, 0.25, 0.19, 0.01], dtype=F)


class Tabular:
    """One distribution over five answers of a token, as policy and as frozen model."""

    def __init__(self, probabilities: Tensor) -> None:
        self.logits = probabilities.log()

    def log_distributions(self, responses: Responses) -> Tensor:
        return torch.log_softmax(self.logits, -1).expand(int(responses.response_mask.sum()), -1)


@pytest.mark.parametrize("strength", [1.0, 3.0])
@pytest.mark.parametrize("plausibility", [0.0, 0.05])
def test_the_policy_becomes_the_teacher_that_decoding_with_a_strength_draws_from(
    strength: float, plausibility: float
) -> None:
    policy = Tabular(FINISHED)
    policy.logits.requires_grad_()
    loss = DistillLoss(Guidance(strength, plausibility), Tabular(FINISHED), Tabular(START))
    mask = torch.tensor([[False, True]] * 6)  # two demonstrations, two generations of each
    responses = Responses(torch.zeros(6, 2, dtype=torch.long), mask, mask, torch.zeros(6))
    batch = Batch(responses, torch.full((2,), 0.5, dtype=F), policy=policy)
    for step in learn(loss, lambda t, k: ([batch] for _ in iter(int, 1)), T=1, K=4000):
        (gradient,) = torch.autograd.grad(step.loss, policy.logits)
        with torch.no_grad():
            policy.logits -= gradient
    tilted = START * (FINISHED / START) ** strength
    expected = tilted * (plausibility * FINISHED.max() <= FINISHED) / 1
    assert torch.allclose(policy.logits.softmax(-1).detach(), expected / expected.sum(), atol=1e-3)
    if strength == 1 and not plausibility:
        assert float(step.loss.detach()) == pytest.approx(0, abs=1e-12)
