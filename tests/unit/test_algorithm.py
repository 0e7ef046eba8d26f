"""The loop on a few numbers: what an equal pair trains, and what a reward is told of a resumed iteration."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from irltui.algorithm import Start, learn, link
from irltui.api import Batch
from irltui.objectives.gap import GapLoss


class Table:
    """One learned number per response; notes when an outer iteration begins."""

    def __init__(self) -> None:
        self.values = torch.tensor([0.5, -0.25, 0.5, 1.0], requires_grad=True)
        self.begun: list[int] = []

    def begin(self, t: int) -> None:
        self.begun.append(t)

    def score(self, responses: Tensor) -> Tensor:
        return self.values[responses]

    def losses(self, batch: Batch) -> None:
        """It has no loss of its own."""


class Penalised(Table):
    """The same with a penalty of gamma times the square of the demonstration's reward."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.gamma = gamma

    def penalty(self, responses: Tensor) -> Tensor:
        return self.gamma * self.values[responses].chunk(2)[0].square()


def gradient(reward: Penalised, pairs: Batch) -> tuple[float, list[float]]:
    pairs.reward = reward
    (step,) = learn(GapLoss(link("sigmoid"), reward), lambda t, k: [[pairs]], T=1, K=1)
    (found,) = torch.autograd.grad(step.loss, reward.values)
    return float(step.loss.detach()), found.tolist()


def test_an_equal_pair_trains_by_the_penalty_alone_and_its_gap_is_zero() -> None:
    responses = torch.tensor([0, 1, 0, 3])  # demonstrations 0 and 1, generations 0 and 3
    weight = torch.full((2,), 0.5)
    both = lambda: Batch(responses, weight, differs=torch.tensor([[0.0], [1.0]]))  # noqa: E731
    loss, whole = gradient(Penalised(0.1), both())
    gap = -0.25 - 1.0
    sigma = 1 / (1 + torch.exp(torch.tensor(gap))).item()
    assert whole == pytest.approx([0.5 * 0.1 * 2 * 0.5, 0.5 * (-sigma + 0.1 * 2 * -0.25), 0.0, 0.5 * sigma], abs=1e-6)
    h = torch.nn.functional.softplus(torch.tensor([0.0, -gap]))
    assert loss == pytest.approx(0.5 * float(h.sum()) + 0.5 * 0.1 * (0.25 + 0.0625), abs=1e-6)
    _, without = gradient(Penalised(0.0), both())
    assert without[0] == 0  # exactly: nothing but the gap, which has no gradient


@pytest.mark.parametrize(
    ("start", "begun"),
    [
        (Start(), [0, 1]),
        (Start(0, 0, begun=True), [1]),
        (Start(0, 1, begun=True), [1]),
        (Start(1, 0), [1]),
        (Start(1, 0, begun=True), []),
    ],
)
def test_a_reward_is_told_of_each_outer_iteration_once(start: Start, begun: list[int]) -> None:
    reward = Table()
    pairs = Batch(torch.tensor([0, 1]), torch.ones(1), reward=reward)
    generate = lambda t, k: [[pairs]]  # noqa: E731
    list(learn(GapLoss(link("linear")), generate, T=2, K=1, begin=reward.begin, start=start))
    assert reward.begun == begun


def test_the_loss_of_several_generations_is_the_mean_of_their_pairs() -> None:
    reward = Table()
    several = Batch(torch.tensor([0, 1, 2, 3, 3, 1]), torch.ones(2), reward=reward)
    loss = GapLoss(link("sigmoid"))
    pairs = [Batch(torch.tensor(rows), torch.ones(2), reward=reward) for rows in ([0, 1, 2, 3], [0, 1, 3, 1])]
    assert torch.allclose(loss.losses(several), sum(loss.losses(pair) for pair in pairs) / 2)
