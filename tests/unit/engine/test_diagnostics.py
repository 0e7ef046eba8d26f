"""Each metric is the number its name promises, on cases small enough to count by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from irltui.engine import diagnostics
from irltui.samplers.agreement import agreement_metrics, disagreement

VALUES = st.lists(st.floats(-5, 5), min_size=1, max_size=12)


def test_reward_metrics_by_hand() -> None:
    values = diagnostics.reward_metrics(np.array([1.0, 0.0, 2.0]), np.array([0.0, 1.0, 2.0]))
    assert values == {
        "reward/demonstration": 1.0,
        "reward/generation": 1.0,
        "reward/gap": 0.0,
        "reward/accuracy": pytest.approx(1 / 3),
    }


def test_both_down_counts_pairs_in_which_both_log_ratios_fall() -> None:
    values = diagnostics.logratio_metrics(np.array([-1.0, -1.0, 1.0, 0.0]), np.array([-2.0, 1.0, -1.0, -1.0]))
    assert values["pairs/both_down"] == 0.25


def test_no_signal_is_ln_2_and_auc_one_half() -> None:
    same = np.array([0.3, 0.3])
    values = diagnostics.held_out_metrics(same, same)
    assert values == {"heldout/loss": pytest.approx(math.log(2)), "heldout/gap": 0.0, "reward/auc": 0.5}


@given(positive=VALUES, negative=VALUES)
def test_auc_is_the_share_of_ordered_pairs(positive: list[float], negative: list[float]) -> None:
    ordered = [(p > n) + (p == n) / 2 for p in positive for n in negative]
    assert diagnostics.auc(np.array(positive), np.array(negative)) == pytest.approx(sum(ordered) / len(ordered))


def test_generation_health_by_hand() -> None:
    values = diagnostics.generation_metrics([(5, 6, 2), (5, 6, 2), (7, 8, 9)], [True, True, False], 1, 0)
    assert values["generation/length"] == 3
    assert values["generation/eos_rate"] == pytest.approx(2 / 3)
    assert values["generation/duplicate_rate"] == pytest.approx(1 / 3)
    assert values["generation/equal_to_demonstration"] == pytest.approx(1 / 3)
    assert values["generation/distinct_2"] == pytest.approx(4 / 6)


def test_length_and_first_token_shortcuts_are_found() -> None:
    long, short = (5, 6, 7, 8, 2), (9, 2)
    values = diagnostics.shortcut_metrics([(short, long)] * 4, [(short, long)] * 3)
    assert values == {"shortcut/length_auc": 1.0, "shortcut/first_token_auc": 1.0}
    reversed_cue = diagnostics.shortcut_metrics([(short, long)] * 4, [(long, short)] * 3)
    assert reversed_cue == {"shortcut/length_auc": 1.0, "shortcut/first_token_auc": 1.0}
    none = diagnostics.shortcut_metrics([(long, long)] * 4, [(long, long)] * 3)
    assert none == {"shortcut/length_auc": 0.5, "shortcut/first_token_auc": 0.5}


def test_agreement_is_mean_and_largest_difference_over_tokens() -> None:
    values = agreement_metrics([disagreement([0.0, -1.0], [0.0, -1.5]), disagreement([-2.0], [-2.25])])
    assert values == {"sampler/logp_error": pytest.approx(0.25), "sampler/logp_error_max": pytest.approx(0.5)}
