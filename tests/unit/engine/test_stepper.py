"""The optimizer's side: schedules are functions of the place, and no number that is not finite gets through."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from irltui.config.schema import OptimizerSection
from irltui.engine.early_stop import gap_too_wide, loss_turned, take_in
from irltui.engine.position import Position
from irltui.engine.stepper import Stepper, learning_rate, make_optimizer
from irltui.errors import TrainingError


@given(
    total=st.integers(1, 300),
    warmup=st.floats(0, 0.9),
    schedule=st.sampled_from(["linear", "cosine", "constant"]),
)
def test_a_schedule_rises_to_its_peak_and_never_above_or_below_zero(total: int, warmup: float, schedule: str) -> None:
    section = OptimizerSection.model_validate({"learning_rate": 2.0, "warmup": warmup, "schedule": schedule})
    rates = [learning_rate(section, step, total) for step in range(total)]
    assert all(0 < rate <= 2.0 + 1e-12 for rate in rates)
    ramp = math.ceil(warmup * total)
    assert rates[:ramp] == sorted(rates[:ramp])
    assert rates[ramp:] == sorted(rates[ramp:], reverse=True)
    if ramp < total:
        assert rates[ramp] == pytest.approx(2.0)


def stepper(**section: float) -> tuple[torch.nn.Parameter, Stepper]:
    parameter = torch.nn.Parameter(torch.tensor([3.0, 4.0]))
    options = OptimizerSection.model_validate({"learning_rate": 1.0, "warmup": 0.0, "schedule": "constant", **section})
    return parameter, Stepper(make_optimizer(options, [parameter]), options, 10, torch.Tensor.backward)


def test_losses_accumulate_until_the_step_and_then_are_gone() -> None:
    parameter, made = stepper(max_grad_norm=0.0)
    assert made.accumulate((parameter * 0.25).sum()) == pytest.approx(1.75)
    made.accumulate((parameter * 0.75).sum())
    norm, rate = made.step(0)
    assert norm == pytest.approx(math.sqrt(2))
    assert rate == 1.0
    assert parameter.grad is None


def test_the_gradient_is_clipped_and_its_norm_before_that_reported() -> None:
    parameter, made = stepper(max_grad_norm=1.0)
    made.accumulate((parameter * torch.tensor([30.0, 40.0])).sum())
    assert made.step(0)[0] == pytest.approx(50.0)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_run(value: float) -> None:
    parameter, made = stepper()
    with pytest.raises(TrainingError, match="the loss is"):
        made.accumulate((parameter * value).sum())


def test_a_gradient_that_is_not_finite_stops_the_run_and_moves_nothing() -> None:
    parameter, made = stepper()
    made.accumulate((parameter - parameter.detach()).sum().sqrt() * 0 + parameter.sum())
    with pytest.raises(TrainingError, match="gradient's norm"):
        made.step(0)
    assert parameter.tolist() == [3.0, 4.0]


def test_rmsprop_and_adamw_are_torchs_own() -> None:
    parameter = torch.nn.Parameter(torch.ones(1))
    rmsprop = make_optimizer(OptimizerSection(kind="rmsprop", betas=[0.9, 0.99]), [parameter])
    assert isinstance(rmsprop, torch.optim.RMSprop)
    assert rmsprop.defaults["alpha"] == 0.99
    assert isinstance(make_optimizer(OptimizerSection(), [parameter]), torch.optim.AdamW)


def test_an_inner_loop_ends_when_the_running_gap_is_too_wide_not_at_one_spike() -> None:
    from irltui.config.schema import EarlyStopSection

    section, position = EarlyStopSection(max_gap=1.0), Position()
    reasons = []
    for position.k, gap in enumerate((0.5, 2.0, 4.0), start=1):
        take_in(position, {"reward/gap": gap})
        reasons.append(gap_too_wide(section, position))
    assert reasons[:2] == ["", ""]
    assert "above early_stop.max_gap = 1" in reasons[2]
    assert gap_too_wide(EarlyStopSection(), Position(gap_mean=100.0)) == ""


def test_the_share_of_pairs_that_fall_on_both_sides_is_followed_too() -> None:
    position = Position(k=1)
    take_in(position, {"reward/gap": 0.0, "pairs/both_down": 0.5})
    position.k = 2
    take_in(position, {"reward/gap": 0.0, "pairs/both_down": 1.0})
    assert position.both_down_mean == pytest.approx(0.6)
    position.begin_inner_loop(1)
    assert position.both_down_mean == 0


def test_patience_counts_checks_without_a_new_low() -> None:
    from irltui.config.schema import EarlyStopSection

    section, position = EarlyStopSection(held_out_patience=2), Position()
    assert [bool(loss_turned(section, position, loss)) for loss in (0.6, 0.7, 0.5, 0.6, 0.6)] == [
        False,
        False,
        False,
        False,
        True,
    ]
