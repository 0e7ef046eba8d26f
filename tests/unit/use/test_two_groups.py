"""Two groups of rewards are found where there are two, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from irltui.use.two_groups import two_groups

DRAW = np.random.default_rng(0)


@pytest.mark.parametrize("bad", [30, 100, 300])
@pytest.mark.parametrize("width", [0.1, 1.0])
def test_the_border_of_two_groups_keeps_them_apart(bad: int, width: float) -> None:
    low, high = DRAW.normal(-0.5, width, bad), DRAW.normal(6.0, 1.0, 600 - bad)
    found = two_groups([*high, *low])
    assert found is not None
    assert abs(found.below - bad) <= 2
    assert found.above == 600 - found.below
    assert low.mean() < found.border < high.mean()
    assert found.doubt < 0.01
    assert (found.low, found.high) == pytest.approx((low.mean(), high.mean()), abs=0.2)


@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential", "laplace", "lognormal"])
def test_one_group_is_not_cut_in_two_whatever_its_form(kind: str) -> None:
    for _ in range(5):
        assert two_groups(getattr(DRAW, kind)(size=600).tolist()) is None


@pytest.mark.parametrize("rewards", [[], [1.0], [0.0] * 50, [0.0] * 50 + [9.0], list(range(9))])
def test_few_or_equal_rewards_and_outliers_are_no_groups(rewards: list[float]) -> None:
    assert two_groups(rewards) is None


def test_rewards_of_two_values_are_two_groups() -> None:
    found = two_groups([0.0] * 30 + [1.0] * 20)
    assert found is not None
    assert (found.below, found.above, found.border) == (30, 20, 0.5)
