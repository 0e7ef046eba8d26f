"""The five-action table: exact expectations in float64, through the product's own loop and losses."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from irltui.algorithm import implicit_reward, learn, link, optimal_policy
from irltui.api import Batch, Objective
from irltui.objectives.gap import GapLoss
from irltui.objectives.nce import NceLoss
from irltui.objectives.sft import NegativeLogLikelihood

F = torch.float64
EXPERT = torch.tensor([0.50, 0.25, 0.15, 0.08, 0.02], dtype=F)
INITIAL = torch.tensor([0.10, 0.15, 0.20, 0.25, 0.30], dtype=F)
Y, Y_TILDE = (grid.reshape(-1) for grid in torch.meshgrid(torch.arange(5), torch.arange(5), indexing="ij"))
EVERY_PAIR = torch.cat([Y, Y_TILDE])


class TabularImplicit:
    """IRFT on logits: r = beta log(pi / pi_ref), the reference rolling or fixed."""

    def __init__(self, beta: float, *, rolling: bool, initial: Tensor = INITIAL) -> None:
        self.beta, self.rolling, self.reference = beta, rolling, initial.log()
        self.parameter = initial.log().requires_grad_()

    def log_policy(self) -> Tensor:
        return torch.log_softmax(self.parameter, -1)

    def begin(self, t: int) -> None:
        if self.rolling:
            self.reference = self.log_policy().detach()

    def score(self, actions: Tensor) -> Tensor:
        return implicit_reward(self.log_policy(), self.reference, self.beta)[actions]

    def log_probs(self, actions: Tensor) -> Tensor:
        return self.log_policy()[actions]


class TabularExplicit:
    """RFT on a table of rewards; the policy step is exact."""

    def __init__(self, beta: float) -> None:
        self.beta, self.parameter = beta, torch.zeros(5, dtype=F, requires_grad=True)

    def log_policy(self) -> Tensor:
        return optimal_policy(INITIAL.log(), self.parameter, self.beta)

    def begin(self, t: int) -> None:
        """The reward continues."""

    def score(self, actions: Tensor) -> Tensor:
        return self.parameter[actions]


Tabular = TabularImplicit | TabularExplicit


def divergences(
    reward: Tabular, name: str, T: int, K: int, rate: float, demonstrated: Tensor = EXPERT
) -> Iterator[float]:
    """Those of the paired loss with this link."""
    return minimised(GapLoss(link(name, beta=reward.beta)), reward, T, K, rate, demonstrated)


def minimised(
    objective: Objective, reward: Tabular, T: int, K: int, rate: float, demonstrated: Tensor = EXPERT
) -> Iterator[float]:
    """KL(expert || policy) after each gradient step; the generations' distribution is frozen at pi_t."""

    def generate(t: int, k: int) -> Iterator[list[Batch]]:
        weight = demonstrated[Y] * reward.log_policy().detach().exp()[Y_TILDE]
        while True:
            yield [Batch(EVERY_PAIR, weight, policy=reward, reward=reward)]

    for step in learn(objective, generate, T=T, K=K, begin=reward.begin):
        (gradient,) = torch.autograd.grad(step.loss, reward.parameter)
        with torch.no_grad():
            reward.parameter -= rate * gradient
        yield divergence(reward)


def divergence(reward: Tabular) -> float:
    return float((EXPERT * (EXPERT.log() - reward.log_policy().detach())).sum())


def final(reward: Tabular, name: str, T: int, rate: float, steps: int = 2000) -> float:
    return list(divergences(reward, name, T, steps // T, rate))[-1]


def test_the_initial_policy_is_0_744_nats_from_the_expert() -> None:
    assert divergence(TabularImplicit(1.0, rolling=True)) == pytest.approx(0.744, abs=5e-4)


@pytest.mark.parametrize(("beta", "expected", "rate"), [(1.0, 0.000, 8), (0.5, 0.373, 16), (0.1, 7.10, 400)])
def test_spin_solved_fully_overshoots_unless_beta_is_one(beta: float, expected: float, rate: float) -> None:
    """F2: the inner optimum is pi_t (pi_E / pi_t)^(1/beta)."""
    solved = optimal_policy(INITIAL.log(), EXPERT.log() - INITIAL.log(), beta)
    assert float((EXPERT * (EXPERT.log() - solved)).sum()) == pytest.approx(expected, abs=5e-3)
    reached = final(TabularImplicit(beta, rolling=True), "sigmoid", 1, rate, steps=3000)
    assert reached == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize(("beta", "expected", "at"), [(0.5, 0.0173, 35), (0.1, 0.0292, 106)])
def test_one_inner_loop_is_best_long_before_its_end(beta: float, expected: float, at: int) -> None:
    path = list(divergences(TabularImplicit(beta, rolling=True), "sigmoid", 1, 400, 1.0))
    assert min(path) == pytest.approx(expected, abs=6e-5)
    assert path.index(min(path)) + 1 == pytest.approx(at, abs=1)


@pytest.mark.parametrize(
    ("T", "expected"),
    [(1, 5.1167), (2, 7.2727), (5, 1.8218), (10, 0.7194), (50, 1e-4), (200, 1e-4), (2000, 1e-4)],
)
def test_more_refreshes_tame_the_sigmoid_loss(T: int, expected: float) -> None:
    assert final(TabularImplicit(0.1, rolling=True), "sigmoid", T, 1.0) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize(("T", "expected"), [(1, 38.78), (2, 29.84), (5, 7.949), (10, 5.894), (50, 0.0)])
def test_more_refreshes_tame_the_linear_loss(T: int, expected: float) -> None:
    assert final(TabularImplicit(0.1, rolling=True), "linear", T, 1.0) == pytest.approx(expected, abs=5e-3)


@pytest.mark.parametrize(("T", "expected"), [(1, 5.1167), (5, 1.7365), (20, 0.0048), (50, 0.0048)])
def test_a_fixed_reference_converges_to_the_mixture(T: int, expected: float) -> None:
    assert final(TabularImplicit(0.1, rolling=False), "sigmoid", T, 1.0) == pytest.approx(expected, abs=6e-5)


REFUSES = torch.tensor([0.25, 0.15, 0.075, 0.025, 0.5], dtype=F)  # half good answers, half a refusal


@pytest.mark.parametrize(
    ("initial", "T", "beta", "expected"),
    [
        (0.80, 1, 1.0, 0.5000),
        (0.80, 1, 0.5, 0.1462),
        (0.80, 1, 0.1, 0.0000),
        (0.80, 50, 0.1, 0.4998),
        (0.01, 1, 1.0, 0.5000),
        (0.01, 1, 0.5, 0.9837),
        (0.01, 1, 0.1, 1.0000),
        (0.01, 50, 0.1, 0.4998),
        (0.50, 1, 1.0, 0.5000),
        (0.50, 1, 0.5, 0.4065),
        (0.50, 1, 0.1, 0.0193),
        (0.50, 50, 0.1, 0.4998),
    ],
)
def test_one_inner_loop_goes_past_the_demonstrations_away_from_the_start(
    initial: float, T: int, beta: float, expected: float
) -> None:
    """F5: a refusal that the initial model says more often than the demonstrations is unlearned, a rarer one grows."""
    start = torch.tensor([*[(1 - initial) / 4] * 4, initial], dtype=F)
    reward = TabularImplicit(beta, rolling=True, initial=start)
    for _ in divergences(reward, "sigmoid", T, 2000 // T, 1.0, REFUSES):
        pass
    assert float(reward.log_policy().detach().exp()[4]) == pytest.approx(expected, abs=6e-5)


@pytest.mark.parametrize("initial", [0.80, 0.01, 0.50])
def test_sft_ends_at_the_demonstrations_own_rate_wherever_it_starts(initial: float) -> None:
    """F5's first row."""
    start = torch.tensor([*[(1 - initial) / 4] * 4, initial], dtype=F)
    reward = TabularImplicit(1.0, rolling=True, initial=start)
    for _ in minimised(NegativeLogLikelihood(), reward, 1, 2000, 1.0, REFUSES):
        pass
    assert float(reward.log_policy().detach().exp()[4]) == pytest.approx(0.5000, abs=6e-5)


@pytest.mark.parametrize(
    ("initial", "expected"),
    [(0.80, (0.5000, 0.2770, 0.1433)), (0.01, (0.5000, 0.6906, 0.8020)), (0.50, (0.5000, 0.4380, 0.3736))],
)
def test_nce_goes_past_the_demonstrations_only_below_beta_one(initial: float, expected: tuple[float, ...]) -> None:
    """F5's second table."""
    start = torch.tensor([*[(1 - initial) / 4] * 4, initial], dtype=F)
    for beta, refusal in zip((1.0, 0.5, 0.3), expected, strict=True):
        reward = TabularImplicit(beta, rolling=True, initial=start)
        for _ in minimised(NceLoss(), reward, 1, 2000, 1.0, REFUSES):
            pass
        assert float(reward.log_policy().detach().exp()[4]) == pytest.approx(refusal, abs=6e-5)


@pytest.mark.parametrize(
    ("T", "expected"),
    [
        (1, (0.0, 0.1117, 1.541)),
        (2, (0.0, 0.0645, 2.266)),
        (5, (0.0, 0.0258, 1.340)),
        (10, (0.0, 0.0136, 0.6587)),
        (50, (0.0, 0.0, 6e-5)),
        (200, (0.0, 0.0, 7e-5)),
    ],
)
def test_nce_at_beta_one_does_not_overshoot_however_long_the_inner_loop(T: int, expected: tuple[float, ...]) -> None:
    """F7; the paired sigmoid ends 5.12 nats away at T = 1."""
    for beta, distance in zip((1.0, 0.5, 0.1), expected, strict=True):
        *_, reached = minimised(NceLoss(), TabularImplicit(beta, rolling=True), T, 2000 // T, 1.0)
        assert reached == pytest.approx(distance, abs=6e-5 if distance < 1 else 6e-4)
        assert beta < 1 or reached < 1e-12


def test_nce_against_a_fixed_reference_oscillates_which_is_why_it_is_refused() -> None:
    *_, reached = minimised(NceLoss(), TabularImplicit(1.0, rolling=False), 50, 40, 1.0)
    assert reached == pytest.approx(0.615, abs=6e-4)


def test_a_fixed_reference_at_beta_one_half_reaches_the_known_fixed_point() -> None:
    """F3: ∝ pi_E^(1/(1+beta)) pi_ref^(beta/(1+beta))."""
    reward = TabularImplicit(0.5, rolling=False)
    final(reward, "sigmoid", 2000, 1.0)  # fresh generations at every step
    expected = torch.tensor([0.3503, 0.2526, 0.1978, 0.1401, 0.0591], dtype=F)
    assert torch.allclose(reward.log_policy().detach().exp(), expected, atol=5e-5)


@pytest.mark.parametrize(("T", "expected"), [(1, 200), (5, 45.34), (20, 13.44), (50, 6.363), (200, 0.0)])
def test_rft_with_exact_policy_steps(T: int, expected: float) -> None:
    reached = final(TabularExplicit(0.1), "linear", T, 0.05)
    assert reached == pytest.approx(expected, abs=0.2 if expected == 200 else 5e-3)


@pytest.mark.parametrize("T", [50, 200])
def test_rft_with_the_logistic_loss_stops_short_of_the_expert(T: int) -> None:
    """F3 again, at beta 1: the geometric middle of expert and reference, 0.1604 nats away when converged."""
    assert final(TabularExplicit(1.0), "sigmoid", T, 0.05) == pytest.approx(0.161, abs=6e-4)
    assert final(TabularExplicit(1.0), "sigmoid", 2000, 1.0) == pytest.approx(0.16045, abs=1e-5)


def test_the_first_inner_step_is_half_beta_times_the_sft_gradient_in_expectation() -> None:
    """F1, exact: E over y~ ~ pi of grad log pi(y~) vanishes."""
    reward = TabularImplicit(0.3, rolling=True)
    reward.begin(0)
    weight = EXPERT[Y] * reward.log_policy().detach().exp()[Y_TILDE]
    batch = [Batch(EVERY_PAIR, weight, reward=reward)]
    step = next(learn(GapLoss(link("sigmoid")), lambda t, k: [batch], T=1, K=1))
    (gradient,) = torch.autograd.grad(step.loss, reward.parameter)
    (sft,) = torch.autograd.grad(-(EXPERT * reward.log_policy()).sum(), reward.parameter)
    assert torch.allclose(gradient, 0.3 / 2 * sft, rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "gap", "expected"),
    [
        ("sigmoid", 0.0, math.log(2)),
        ("linear", 1.5, -1.5),
        ("hinge", 0.25, 0.75),
        ("hinge", 2.0, 0.0),
        ("ipo", 0.3, (0.3 / 0.2 - 1 / 0.4) ** 2),
        ("robust", 1.0, (0.9 * math.log1p(math.exp(-1)) - 0.1 * math.log1p(math.exp(1))) / 0.8),
        ("sigmoid_norm", 0.0, math.log(2)),
    ],
)
def test_each_link_is_its_formula(name: str, gap: float, expected: float) -> None:
    value = link(name, beta=0.2, noise=0.1)(torch.tensor(gap, dtype=F))
    assert float(value) == pytest.approx(expected, abs=1e-12)
