"""What each benchmark makes of a model whose answers and numbers are known."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from irltui.api import Benchmark, PromptText
from irltui.benchmarks.demonstrations import HeldoutNllBenchmark, PlantedBenchmark
from irltui.benchmarks.preferences import LogprobGapBenchmark, RewardAccuracyBenchmark
from irltui.benchmarks.reading import Answered, Preference
from irltui.benchmarks.win_rate import WinRateBenchmark
from irltui.engine.evaluate import summarise


class Echo:
    """Answers the prompt's words twice; a token a word and one for the end, each of log-probability -0.5."""

    def generate(self, prompts: Sequence[PromptText]) -> list[str]:
        return [f"{prompt} {prompt}" for prompt in prompts]

    def log_probs(self, prompts: Sequence[PromptText], answers: Sequence[str]) -> list[float]:
        return [-0.5 * count for count in self.token_counts(answers)]

    def token_counts(self, answers: Sequence[str]) -> list[int]:
        return [len(answer.split()) + 1 for answer in answers]

    def rewards(self, prompts: Sequence[PromptText], answers: Sequence[str]) -> list[float]:
        return [float(len(answer)) for answer in answers]


def figures(benchmark: Benchmark) -> dict[str, float]:
    return {metric: interval.mean for metric, interval in summarise(list(benchmark.evaluate(Echo()))).items()}


PAIRS = [
    Preference("1", "who", "me", "you and they"),
    Preference("2", "what", "a thing of beauty", "that"),
    Preference("3", "why", "so", "oh"),
]


def test_the_gap_is_that_of_sums_and_per_token_that_of_means() -> None:
    found = figures(LogprobGapBenchmark(PAIRS))
    assert found["gap"] == pytest.approx((1.0 - 1.5 + 0.0) / 3)
    assert found["gap_per_token"] == 0
    assert found["accuracy"] == pytest.approx((1 + 0 + 0.5) / 3)
    assert found["chosen"] - found["rejected"] == pytest.approx(found["gap"])
    assert found["chosen_per_token"] == -0.5


def test_reward_accuracy_counts_ties_half() -> None:
    found = figures(RewardAccuracyBenchmark(PAIRS))
    assert found["accuracy"] == pytest.approx((0 + 1 + 0.5) / 3)
    assert found["chosen"] - found["rejected"] == pytest.approx(found["gap"])


def test_nll_is_a_response_and_a_token() -> None:
    found = figures(HeldoutNllBenchmark([Answered("1", "who", "me"), Answered("2", "who", "you and they")]))
    assert found == {"nll": 1.5, "nll_per_token": 0.5}


def test_planted_demonstrations_are_found_by_a_reward_that_ranks_them_lowest() -> None:
    items = [Answered(str(i), "p", "x" * (i + 1)) for i in range(6)]
    found = figures(PlantedBenchmark(items, [True, True, False, False, False, False]))
    assert found["auc"] == 1
    assert (found["bad"], found["good"]) == (1.5, 4.5)
    assert figures(PlantedBenchmark(items, [False, False, False, False, True, True]))["auc"] == 0


def test_a_win_rate_counts_ties_half_and_says_what_it_may_be_bought_with() -> None:
    items = [Answered("1", "a", "x y"), Answered("2", "b", "b b"), Answered("3", "c", "x y z w")]

    def judge(prompts: Sequence[PromptText], answers: Sequence[str]) -> list[float]:
        return [float(answer.count(str(prompt))) for prompt, answer in zip(prompts, answers, strict=True)]

    found = figures(WinRateBenchmark(items, judge))
    assert found["win"] == pytest.approx(2.5 / 3)
    assert (found["gold"], found["gold_of_other"]) == (2, pytest.approx(2 / 3))
    assert (found["length"], found["length_of_other"]) == (3, pytest.approx(13 / 3))
    assert found["distinct_2"] == 1
    assert found["distinct_2_of_other"] == pytest.approx(4 / 5)
    assert math.isfinite(found["win_length_controlled"])


def test_wins_that_follow_length_alone_are_no_wins_at_equal_length() -> None:
    """Answers of one character more or less than the other side's, and a judge that counts characters."""
    items = [Answered(str(i), "p" * (i + 1), "q" * (2 * i + 3 + (1 if i % 2 else -1))) for i in range(40)]
    items += [Answered(f"long {i}", "p" * (i + 1), "q") for i in range(20)]

    def judge(prompts: Sequence[PromptText], answers: Sequence[str]) -> list[float]:
        return [float(len(answer)) for answer in answers]

    found = figures(WinRateBenchmark(items, judge))
    assert found["win"] == pytest.approx(40 / 60)
    assert found["win_length_controlled"] < found["win"]


def test_a_judge_is_asked_once_about_the_stored_answers() -> None:
    asked: list[str] = []

    def judge(prompts: Sequence[PromptText], answers: Sequence[str]) -> list[float]:
        asked.extend(answers)
        return [0.0] * len(answers)

    benchmark = WinRateBenchmark([Answered("1", "a", "stored")], judge)
    first, second = figures(benchmark), figures(benchmark)
    assert first == second
    assert asked.count("stored") == 1


def test_a_judge_that_says_nan_is_named_with_its_item() -> None:
    benchmark = WinRateBenchmark([Answered("item-7", "a", "b")], lambda prompts, answers: [math.nan] * len(answers))
    with pytest.raises(ValueError, match="item item-7: gold is nan"):
        figures(benchmark)
