"""The parts irltui ships keep the contract that plugins are held to, and the kit finds what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from irltui.api import (
    Benchmark,
    BenchmarkSpec,
    BuildContext,
    PolicyUpdate,
    Reward,
    RewardSpec,
    Sampler,
    SamplerSpec,
    Score,
    UpdateSpec,
)
from irltui.benchmarks import HeldoutNll, LogprobGap, Planted, Quickstart, RewardAccuracy, WinRate
from irltui.rewards import Explicit, Implicit
from irltui.rewards.implicit import ImplicitReward
from irltui.samplers import Slots, Transformers
from irltui.samplers.transformers import TransformersSampler
from irltui.testing import check_benchmark, check_reward, check_sampler, check_update
from irltui.updates import Boltzmann, Rloo
from irltui.updates.rloo import RlooUpdate


@pytest.mark.parametrize(
    "spec",
    [
        Implicit(kind="implicit"),
        Explicit(kind="explicit"),
        Explicit(kind="explicit", bound=2.0, l2=0.1, freeze=1),
    ],
    ids=str,
)
def test_built_in_rewards_conform(spec: RewardSpec) -> None:
    check_reward(spec)


@pytest.mark.parametrize("spec", [Slots(kind="slots", slots=4), Transformers(kind="transformers", batch=4)], ids=str)
def test_built_in_samplers_conform(spec: SamplerSpec) -> None:
    check_sampler(spec)


@pytest.mark.parametrize("spec", [Rloo(kind="rloo", prompts=3, generations=2), Boltzmann(kind="boltzmann", prompts=3)])
def test_built_in_policy_steps_conform(spec: UpdateSpec) -> None:
    check_update(spec)


@pytest.mark.parametrize(
    "spec",
    [
        Quickstart(kind="quickstart", count=8),
        LogprobGap(kind="logprob_gap", data="quickstart", limit=6),
        RewardAccuracy(kind="reward_accuracy", data="quickstart", limit=6),
        WinRate(kind="win_rate", data="quickstart", judge="quickstart", limit=6),
        HeldoutNll(kind="heldout_nll", data="quickstart", limit=6),
        Planted(kind="planted", data="quickstart", limit=8),
    ],
    ids=lambda spec: spec.kind,
)
def test_built_in_benchmarks_conform(spec: BenchmarkSpec) -> None:
    check_benchmark(spec)


class Made(RewardSpec):
    """A reward made by a test."""

    implicit = True
    beta: float = 0.1

    def build(self, context: BuildContext) -> Reward:
        return REWARDS[self.kind.partition("/")[2]](context.policy, 0.1)


class CountsPadding(ImplicitReward):
    def score(self, responses: Any) -> Tensor:
        return super().score(responses) + responses.input_ids.shape[1]


class Detached(ImplicitReward):
    def score(self, responses: Any) -> Tensor:
        return super().score(responses).detach()


class PerToken(ImplicitReward):
    def score(self, responses: Any) -> Tensor:
        return super().score(responses)[:, None].expand(-1, 2)


class BatchMean(ImplicitReward):
    def score(self, responses: Any) -> Tensor:
        score = super().score(responses)
        return score - score.mean()


class Random(ImplicitReward):
    def score(self, responses: Any) -> Tensor:
        return super().score(responses) + torch.rand(())


class Double(ImplicitReward):
    def score(self, responses: Any) -> Tensor:
        return super().score(responses).double()


class Infinite(ImplicitReward):
    def score(self, responses: Any) -> Tensor:
        return super().score(responses) / 0


class WrongParts(ImplicitReward):
    def token_scores(self, responses: Any) -> Tensor:
        return torch.ones_like(responses.input_ids, dtype=torch.float32)


class NoParameters(ImplicitReward):
    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())


class Forgets(ImplicitReward):
    """A weight that is not saved."""

    def __init__(self, policy: Any, beta: float) -> None:
        super().__init__(policy, beta)
        self._scale = nn.Parameter(torch.ones(()))

    def score(self, responses: Any) -> Tensor:
        return super().score(responses).detach() * self._scale

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter([self._scale])


class BatchLoss(ImplicitReward):
    def losses(self, batch: Any) -> Tensor:
        return torch.nn.functional.softplus(-batch.gaps()).mean(-1) / len(batch.weight)


class Ascends(ImplicitReward):
    def losses(self, batch: Any) -> Tensor:
        gaps = batch.gaps().mean(-1)
        return gaps.detach().exp() - (gaps - gaps.detach())


class Unloadable(Forgets):
    """Its checkpoints are sound, its exported file is empty."""

    def save(self, folder: Any) -> None:
        torch.save(self._scale.detach(), folder / "scale.pt")

    def load(self, folder: Any) -> None:
        if (folder / "scale.pt").exists():
            self._scale.data = torch.load(folder / "scale.pt")

    def export(self, folder: Any) -> None:
        (folder / "nothing.json").write_text("{}")


REWARDS: dict[str, Callable[..., Reward]] = {
    "padding": CountsPadding,
    "detached": Detached,
    "shape": PerToken,
    "batch": BatchMean,
    "random": Random,
    "double": Double,
    "infinite": Infinite,
    "parts": WrongParts,
    "parameters": NoParameters,
    "forgets": Forgets,
    "batch_loss": BatchLoss,
    "ascends": Ascends,
    "unloadable": Unloadable,
}


class MadeExplicit(Made):
    """The same with parameters of its own."""

    implicit = False


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (Made(kind="t/padding"), "scores change with padding"),
        (Made(kind="t/detached"), "does not require grad"),
        (Made(kind="t/shape"), "score gives shape (6, 2) where (6,) is due"),
        (Made(kind="t/batch"), "a response has another score alone than in a batch"),
        (Made(kind="t/random"), "two calls give different scores"),
        (Made(kind="t/double"), "score gives torch.float64 on cpu where torch.float32 on cpu is due"),
        (Made(kind="t/infinite"), "score is not finite in row 0"),
        (Made(kind="t/parts"), "token scores are not zero outside the response"),
        (Made(kind="t/parameters"), "parameters() is empty"),
        (MadeExplicit(kind="t/forgets"), "after save and load the scores differ"),
        (MadeExplicit(kind="t/forgets"), "export writes nothing"),
        (MadeExplicit(kind="t/unloadable"), "after export and load the scores differ"),
        (Made(kind="t/batch_loss"), "a demonstration alone has another loss"),
        (Made(kind="t/ascends"), "a small step against its gradient does not lower it"),
        (MadeExplicit(kind="t/padding"), "parameters() includes the policy's"),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_a_reward_that_breaks_its_contract_is_told(spec: RewardSpec, problem: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_reward(spec)
    assert problem in str(caught.value)


class MadeSampler(SamplerSpec):
    """A sampler made by a test."""

    def build(self, context: BuildContext) -> Sampler:
        return SAMPLERS[self.kind.partition("/")[2]](context.policy, 4, context.poll)


class Neighbours(TransformersSampler):
    def sample(self, prompts: Any, decoding: Any, seed: int) -> Any:
        return super().sample(prompts, decoding, seed + len(prompts))


class Skips(TransformersSampler):
    def sample(self, prompts: Any, decoding: Any, seed: int) -> Any:
        return super().sample(prompts[1:], decoding, seed)


class Deaf(TransformersSampler):
    def __init__(self, policy: Any, batch: int, poll: Any) -> None:
        super().__init__(policy, batch, lambda: None)


class Swallows(TransformersSampler):
    def sample(self, prompts: Any, decoding: Any, seed: int) -> Any:
        try:
            yield from super().sample(prompts, decoding, seed)
        except BaseException:  # noqa: BLE001
            return


class Tempered(TransformersSampler):
    def sample(self, prompts: Any, decoding: Any, seed: int) -> Any:
        for generation in super().sample(prompts, decoding, seed):
            yield replace(generation, logprobs=tuple(value / 2 for value in generation.logprobs))


SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "neighbours": Neighbours,
    "skips": Skips,
    "deaf": Deaf,
    "swallows": Swallows,
    "tempered": Tempered,
}


@pytest.mark.parametrize(
    ("kind", "problem"),
    [
        ("neighbours", "gets another generation among other prompts"),
        ("skips", "1 of 6 prompts are not answered"),
        ("deaf", "context.poll is never called"),
        ("swallows", "prompts are not answered"),
        ("tempered", "nats"),
    ],
)
def test_a_sampler_that_breaks_its_contract_is_told(kind: str, problem: str) -> None:
    with pytest.raises(AssertionError) as caught:
        check_sampler(MadeSampler(kind=f"t/{kind}"))
    assert problem in str(caught.value)


class MadeUpdate(UpdateSpec):
    """A policy step made by a test."""

    def build(self, context: BuildContext) -> PolicyUpdate:
        class Restarts(RlooUpdate):
            def losses(self, reward: Any, sampler: Any, prompts: Any, t: int, start: int) -> Any:
                return super().losses(reward, sampler, prompts, t, 0)

        return Restarts(context, 2, 3, "auto")


def test_a_policy_step_that_begins_anew_on_resume_is_told() -> None:
    with pytest.raises(AssertionError, match="the losses differ"):
        check_update(MadeUpdate(kind="t/restarts"))


class MadeBenchmark(BenchmarkSpec):
    """A benchmark made by a test."""

    gold = "quality"
    values: list[float]
    """What it finds."""

    def build(self, context: BuildContext) -> Benchmark:
        values = self.values

        class Fixed(Benchmark):
            def evaluate(self, model: Any) -> Iterator[Score]:
                return iter([Score("0", "length", value) for value in values])

        return Fixed()


def test_a_benchmark_that_breaks_its_contract_is_told() -> None:
    with pytest.raises(AssertionError) as caught:
        check_benchmark(MadeBenchmark(kind="t/b", values=[1.0, 1.0]))
    assert "item '0' has two values of 'length'" in str(caught.value)
    assert "gold is 'quality', but the metrics are length" in str(caught.value)
    with pytest.raises(AssertionError, match="no scores"):
        check_benchmark(MadeBenchmark(kind="t/b", values=[]))
