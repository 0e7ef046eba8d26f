"""The contract of a benchmark."""

from __future__ import annotations

from collections import Counter

from irltui.api import Benchmark, BenchmarkSpec, Score
from irltui.data.template import PromptTemplate
from irltui.engine.benchmarked_model import ModelUnderTest, RewardOfRun
from irltui.engine.evaluate import summarise
from irltui.engine.guard import build_part
from irltui.rewards.implicit import ImplicitReward
from irltui.samplers.transformers import TransformersSampler
from irltui.testing.case import Case, ends_when_told, require

_BATCH = 8


def _scores(case: Case) -> list[Score]:
    scores = []
    for score in build_part("benchmark", case.spec, Benchmark, case.context).evaluate(_model(case)):
        require(isinstance(score, Score), f"a {type(score).__name__} is not a Score")
        case.context.poll()  # as the engine does
        scores.append(score)
    return scores


def _model(case: Case) -> ModelUnderTest:
    policy, context = case.policy, case.context
    reward = ImplicitReward(policy, 0.1)
    return ModelUnderTest(
        policy,
        TransformersSampler(policy, _BATCH, context.poll),
        context.decoding,
        PromptTemplate(policy.tokenizer, policy.eos_ids),
        batch=_BATCH,
        poll=context.poll,
        rewards_of=RewardOfRun(reward, policy, needs_reference=True, batch=_BATCH, poll=context.poll),
    )


def scores_are_finite(case: Case) -> None:
    """It yields scores, all of them finite."""
    for score in (scores := _scores(case)):
        require(isinstance(score.item, str), f"item {score.item!r} is not text")
        require(isinstance(score.metric, str) and score.metric, f"metric {score.metric!r} is not a name")
    summarise(scores)


def items_are_told_apart(case: Case) -> None:
    """No item has two values of one metric."""
    counted = Counter((score.item, score.metric) for score in _scores(case))
    twice = [key for key, count in counted.items() if count > 1]
    require(not twice, f"item {twice[0][0]!r} has two values of {twice[0][1]!r}" if twice else "")


def is_deterministic(case: Case) -> None:
    """The same model gets the same scores for the same items."""
    require(_scores(case) == _scores(case), "two evaluations of one model differ, so comparisons would be noise")


def gold_is_measured(case: Case) -> None:
    """The gold metric, if one is named, is measured."""
    metrics = {score.metric for score in _scores(case)}
    gold = case.spec.gold if isinstance(case.spec, BenchmarkSpec) else ""
    require(not gold or gold in metrics, f"gold is {gold!r}, but the metrics are {', '.join(sorted(metrics))}")


def it_can_be_stopped(case: Case) -> None:
    """An exception from `poll` ends it."""
    ends_when_told(case, lambda: _scores(case))


BENCHMARK_CHECKS = (scores_are_finite, items_are_told_apart, is_deterministic, gold_is_measured, it_can_be_stopped)
