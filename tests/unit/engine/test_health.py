"""What is advised for figures of every kind."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irltui.config.layers import Layer
from irltui.config.load import load_layers
from irltui.engine.health import Advice, Setting, Verdict, advise, alerts, still_matter
from support.runs import config

IRFT = Setting("implicit", one_reference=False)
FIXED = Setting("implicit", one_reference=True)
RFT = Setting("explicit", one_reference=False)
SFT = Setting("none", one_reference=False)
CONTRAST = Setting("implicit", one_reference=True, contrasts=True, by_nll=False)
DISTILL = Setting("none", one_reference=False, by_nll=False)
NCE = Setting("implicit", one_reference=False, overshoots=False)
START = {"iteration": 0, "heldout/nll": 2.0, "kl/initial": 0.0}
GOOD = {
    "heldout/loss": 0.62,
    "heldout/gap": 0.4,
    "reward/auc": 0.8,
    "reward/gap": 0.9,
    "pairs/both_down": 0.1,
    "heldout/nll": 1.9,
    "kl/initial": 0.02,
}


def told(*ended: dict[str, float], setting: Setting = IRFT, left: int = 1) -> Advice:
    """Advice after these iterations, each `GOOD` but for what is given; before them the start."""
    iterations = [{"iteration": t, **GOOD, **values} for t, values in enumerate(ended, start=1)]
    return advise([START, *iterations], setting, left=left)


def gold(mean: float, spread: float = 0.02) -> dict[str, float]:
    return {"gold/mean": mean, "gold/low": mean - spread, "gold/high": mean + spread}


def test_healthy_figures_mean_go_on_with_the_figures_in_one_sentence() -> None:
    found = told({})
    assert found == Advice(
        Verdict.GO_ON,
        "Go on: held-out loss 0.620 (chance is 0.693), gap 0.90, held-out NLL 1.900, KL 0.020 nats per token.",
    )


def test_the_last_iteration_is_told_so() -> None:
    assert told({}, left=0).text.startswith("Done. Another pass may still help: ")


def test_after_a_contrast_no_further_pass_is_suggested() -> None:
    found = told({}, setting=CONTRAST, left=0)
    assert "another pass would undo" in found.text
    assert "held-out NLL cannot judge" in found.text


def test_sft_is_never_told_of_gaps_or_rewards() -> None:
    sft = {"heldout/nll": 1.9, "kl/initial": 0.02}
    for values in (sft, sft | {"heldout/nll": 3.0}, sft | {"kl/initial": 9e-7}):
        text = advise([START, {"iteration": 1, **values}], SFT, left=0).text
        assert not {"gap", "reward", "beta"} & set(text.replace(".", " ").split())


def test_a_policy_that_has_hardly_moved_is_not_praised() -> None:
    found = told({"kl/initial": 9e-7}, left=0)
    assert found.verdict is Verdict.STOP
    assert "hardly moved (9e-07 nats per token from the start). Raise optimizer.learning_rate" in found.text
    assert told({"kl/initial": 9e-7}, left=1).verdict is Verdict.GO_ON


@pytest.mark.parametrize(
    ("change", "contrasts", "overshoots"),
    [
        ({"loop": {"outer_iterations": 1}}, True, True),
        ({"loop": {"outer_iterations": 1, "passes": 2}}, False, True),
        ({"loop": {"outer_iterations": 1}, "reward": {"beta": 1.0}}, False, True),
        ({}, False, True),
        ({"algorithm": "sft", "loop": {"outer_iterations": 1}}, False, True),
        ({"algorithm": "nce", "loop": {"outer_iterations": 1}}, False, False),
        ({"algorithm": "nce", "loop": {"outer_iterations": 1}, "reward": {"beta": 0.5}}, True, True),
    ],
)
def test_a_setting_says_whether_the_loop_goes_past_the_demonstrations(
    change: dict[str, Any], contrasts: bool, overshoots: bool
) -> None:
    found = Setting.of(load_layers([Layer("test", config(Path("m"), Path("d"), change))]).config)
    assert (found.contrasts, found.overshoots) == (contrasts, overshoots)


@pytest.mark.parametrize(
    ("setting", "values", "verdict", "words"),
    [
        (
            IRFT,
            {"reward/gap": 6.0},
            Verdict.RAISE_BETA,
            "Overshoot: reward gap 6.0 (keep it below 5). Raise reward.beta or lower loop.inner_steps.",
        ),
        (IRFT, {"heldout/gap": 7.0}, Verdict.RAISE_BETA, "Overshoot: reward gap 7.0"),
        (RFT, {"reward/gap": 6.0}, Verdict.RAISE_BETA, "Set reward.bound, raise reward.beta or lower"),
        (IRFT, {"pairs/both_down": 0.6}, Verdict.ADD_GAMMA, "become less likely in 60% of pairs. Set loss.gamma = 0.1"),
        (IRFT, {"heldout/loss": 0.9}, Verdict.RAISE_BETA, "Overconfident: held-out loss 0.900 (chance is 0.693)"),
        (IRFT, {"heldout/loss": 0.9, "heldout/gap": -0.1}, Verdict.STOP, "does not generalise"),
        (IRFT, {"kl/initial": 1.5, "heldout/nll": 2.1}, Verdict.RAISE_BETA, "1.50 nats per token from where it began"),
        (IRFT, {"kl/initial": 1.5}, Verdict.GO_ON, "KL 1.500"),
        (IRFT, {"heldout/nll": 2.2}, Verdict.STOP, "held-out NLL rose from 2.000 (before training) to 2.200"),
        (IRFT, {"heldout/nll": 2.05}, Verdict.GO_ON, "held-out NLL 2.050"),
        (SFT, {"heldout/nll": 2.05}, Verdict.STOP, "held-out NLL rose"),
        (SFT, {"heldout/nll": 2.05, "kl/initial": 1.5}, Verdict.STOP, "held-out NLL rose"),
        (SFT, {"heldout/nll": 2.05}, Verdict.STOP, "If some demonstrations are bad, NLL misleads"),
        (CONTRAST, {"heldout/nll": 3.0, "kl/initial": 1.5}, Verdict.GO_ON, "held-out NLL 3.000"),
        (DISTILL, {"heldout/nll": 3.0}, Verdict.GO_ON, "held-out NLL 3.000"),
        (NCE, {"reward/gap": 9.0, "heldout/gap": 8.0}, Verdict.GO_ON, "gap 9.00"),
    ],
)
def test_a_sick_figure_is_named_with_its_cure(
    setting: Setting, values: dict[str, float], verdict: Verdict, words: str
) -> None:
    found = told(values, setting=setting)
    assert found.verdict is verdict
    assert words in found.text


def test_where_gamma_is_on_already_beta_is_the_cure() -> None:
    found = told({"pairs/both_down": 0.6}, setting=Setting("implicit", one_reference=False, gamma=0.1))
    assert found.verdict is Verdict.RAISE_BETA
    assert "although loss.gamma is 0.1" in found.text


def test_held_out_loss_that_turns_up_against_one_reference_means_stop_and_names_the_best() -> None:
    found = told({"heldout/loss": 0.5}, {"heldout/loss": 0.55}, setting=FIXED)
    assert found.verdict is Verdict.STOP
    assert "held-out loss rose from 0.500 (outer iteration 1) to 0.550" in found.text
    assert "Outer iteration 1 had the best held-out loss: irltui export RUN --iteration best." in found.text


def test_held_out_losses_against_rolling_references_are_not_compared() -> None:
    assert told({"heldout/loss": 0.5}, {"heldout/loss": 0.55}).verdict is Verdict.GO_ON


NO_SIGNAL = {"heldout/loss": 0.693, "reward/auc": 0.52, "heldout/gap": 0.0}


def test_one_iteration_without_a_signal_is_a_doubt_two_are_the_end() -> None:
    first, second = told(NO_SIGNAL), told(NO_SIGNAL, NO_SIGNAL)
    assert (first.verdict, second.verdict) == (Verdict.GO_ON, Verdict.STOP)
    assert "If the next outer iteration is no better" in first.text
    assert "can no longer tell demonstrations from generations" in second.text


def test_a_single_iteration_without_a_signal_learned_nothing() -> None:
    found = told(NO_SIGNAL, left=0)
    assert found.verdict is Verdict.STOP
    assert "cannot tell demonstrations from generations. To train again, raise the learning rate" in found.text


def test_a_small_gap_in_the_right_order_is_a_signal() -> None:
    assert told(NO_SIGNAL | {"reward/auc": 0.8}).verdict is Verdict.GO_ON


def test_gold_that_fell_beyond_its_interval_outweighs_everything_else() -> None:
    found = advise(
        [START | gold(0.6), {"iteration": 1, **GOOD, **gold(0.7)}, {"iteration": 2, **GOOD, **gold(0.5)}], IRFT, left=1
    )
    assert found.verdict is Verdict.STOP
    assert "the gold score fell from 0.700 (outer iteration 1) to 0.500" in found.text


def test_gold_below_the_start_is_told_after_the_first_iteration() -> None:
    found = advise([START | gold(0.6), {"iteration": 1, **GOOD, **gold(0.5)}], IRFT, left=1)
    assert "from 0.600 (before training) to 0.500" in found.text


def test_gold_that_rests_means_stop_and_gold_within_its_interval_does_not() -> None:
    assert told(gold(0.6), gold(0.59)).verdict is Verdict.GO_ON
    found = told(gold(0.6), gold(0.59), gold(0.595))
    assert found.verdict is Verdict.STOP
    assert "has not risen for 2 outer iterations" in found.text


def test_likelihood_may_fall_where_gold_is_watched() -> None:
    found = told(gold(0.6) | {"heldout/nll": 3.0}, setting=IRFT)
    assert found.verdict is Verdict.GO_ON


def test_without_any_held_out_figures_there_is_still_advice() -> None:
    found = advise([{"iteration": 1}], IRFT, left=1)
    assert found == Advice(Verdict.GO_ON, "Go on: nothing was held out to judge by.")


figure = st.floats(0.0, 3.0).map(lambda value: round(value, 1))


@given(
    ended=st.lists(
        st.fixed_dictionaries({}, optional={**dict.fromkeys(GOOD, figure), "gold/mean": figure}),
        min_size=1,
        max_size=12,
    ),
    setting=st.sampled_from([IRFT, FIXED, RFT, SFT]),
    before=st.booleans(),
)
def test_what_is_kept_of_a_long_run_gives_the_same_advice(
    ended: list[dict[str, float]], setting: Setting, before: bool
) -> None:
    everything: list[Mapping[str, float]] = [START] if before else []
    kept = list(everything)
    for t, values in enumerate(ended, start=1):
        judged = gold(values["gold/mean"]) if "gold/mean" in values else {}
        last = {"iteration": t, **values, **judged}
        everything.append(last)
        kept = [*still_matter(kept), last]
        assert advise(kept, setting, left=1) == advise(everything, setting, left=1)
        assert len(kept) <= 9


# -- alerts while a run trains ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"pairs/both_down": 0.6}, "both_down"),
        ({"reward/gap": 5.5}, "overshoot"),
        ({"reward/gap": 5.5, "pairs/both_down": 0.6}, "overshoot"),
        ({"generation/eos_rate": 0.2}, "length_cap"),
        ({"generation/equal_to_demonstration": 0.5}, "equal"),
        ({"generation/duplicate_rate": 0.6}, "duplicates"),
        ({"generation/empty": 0.3}, "empty"),
        ({"sampler/logp_error": 0.5}, "mismatch"),
    ],
)
def test_unhealthy_values_name_one_cause_each_and_healthy_ones_none(values: dict[str, float], code: str) -> None:
    assert [found.code for found in alerts(values, IRFT)] == [code]
    assert alerts({"pairs/both_down": 0.1, "reward/gap": 1.0, "heldout/loss": 0.5}, IRFT) == []


def test_a_high_held_out_loss_with_a_large_gap_is_overconfidence_and_has_one_remedy() -> None:
    """Neither "no signal" nor a lower learning rate beside a higher beta."""
    state = GOOD | {"heldout/loss": 0.75, "heldout/gap": 2.0, "reward/auc": 0.55}
    texts = [told(state).text, *(found.text for found in alerts(state, IRFT))]
    assert texts == [
        "Overconfident: held-out loss 0.750 (chance is 0.693) although the held-out gap is positive (2.00). Raise "
        "reward.beta or lower loop.inner_steps."
    ]


OPPOSITES = (
    ("raise the learning rate", "lower optimizer.learning_rate"),
    ("raise the learning rate", "raise reward.beta"),
)


@given(
    values=st.fixed_dictionaries(
        {},
        optional={
            **dict.fromkeys(GOOD, st.floats(-1.0, 9.0)),
            **dict.fromkeys(["generation/eos_rate", "generation/empty", "sampler/logp_error"], st.floats(0.0, 1.0)),
        },
    ),
    setting=st.sampled_from([IRFT, FIXED, RFT, SFT]),
)
def test_one_state_never_gets_opposite_advice(values: dict[str, float], setting: Setting) -> None:
    told = " ".join(
        [advise([START, {"iteration": 1, **values}], setting, left=1).text]
        + [found.text for found in alerts(values, setting)]
    ).lower()
    assert not [pair for pair in OPPOSITES if all(words in told for words in pair)]


def test_an_alert_and_the_advice_on_one_state_say_the_same() -> None:
    for values in ({"reward/gap": 15.4}, {"pairs/both_down": 0.6}):
        (alert,) = alerts(GOOD | values, IRFT)
        assert alert.text == told(values).text
