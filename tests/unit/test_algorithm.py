"""The loop on a few numbers: what an equal pair trains, and what a reward is told of a resumed iteration."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from irltui.algorithm import Pairs, Start, learn, link


class Table:
    """One learned number per response; notes when an outer iteration begins."""

    def __init__(self) -> None:
        self.values = torch.tensor([0.5, -0.25, 0.5, 1.0], requires_grad=True)
        self.begun: list[int] = []

    def begin(self, t: int) -> None:
        self.begun.append(t)

    def score(self, responses: Tensor) -> Tensor:
        return self.values[responses]


def gradient(reward: Table, pairs: Pairs, gamma: float) -> tuple[float, list[float]]:
    """The loss and its gradient, with a penalty of gamma times the square of the demonstration's reward."""

    def penalty(pairs: Pairs) -> Tensor:
        return gamma * reward.values[pairs.responses].chunk(2)[0].square()

    (step,) = learn(reward, lambda t, k: [[pairs]], lambda t: None, h=link("sigmoid"), T=1, K=1, penalty=penalty)
    (found,) = torch.autograd.grad(step.loss, reward.values)
    return float(step.loss.detach()), found.tolist()


def test_an_equal_pair_trains_by_the_penalty_alone_and_its_gap_is_zero() -> None:
    responses = torch.tensor([0, 1, 0, 3])  # demonstrations 0 and 1, generations 0 and 3
    weight = torch.full((2,), 0.5)
    both = Pairs(responses, weight, differs=torch.tensor([0.0, 1.0]))
    loss, whole = gradient(Table(), both, 0.1)
    gap = -0.25 - 1.0
    sigma = 1 / (1 + torch.exp(torch.tensor(gap))).item()
    assert whole == pytest.approx([0.5 * 0.1 * 2 * 0.5, 0.5 * (-sigma + 0.1 * 2 * -0.25), 0.0, 0.5 * sigma], abs=1e-6)
    h = torch.nn.functional.softplus(torch.tensor([0.0, -gap]))
    assert loss == pytest.approx(0.5 * float(h.sum()) + 0.5 * 0.1 * (0.25 + 0.0625), abs=1e-6)
    _, without = gradient(Table(), both, 0.0)
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
    pairs = Pairs(torch.tensor([0, 1]), torch.ones(1))
    generate = lambda t, k: [[pairs]]  # noqa: E731
    list(learn(reward, generate, lambda t: None, h=link("linear"), T=2, K=1, start=start))
    assert reward.begun == begun
