"""The hooks; irltui imports this module to know the options, so torch stays out of it."""

from __future__ import annotations

from pydantic import Field

from irltui.api import (
    Benchmark,
    BenchmarkSpec,
    BuildContext,
    Reward,
    RewardSpec,
    Sampler,
    SamplerSpec,
    hookimpl,
)


class Words(RewardSpec):
    """r = sum over tokens of a number that each token of the vocabulary has: which words do demonstrations use?"""

    beta: float = Field(default=0.1, gt=0)
    """KL weight of the policy step."""
    largest: float = Field(default=1.0, gt=0)
    """No token is worth more, or less than minus this."""

    def build(self, context: BuildContext) -> Reward:
        from irltui_harbour.reward import WordReward

        table = context.policy.model.get_input_embeddings()
        return WordReward(table.num_embeddings, self.largest, table.weight.device)


class Cached(SamplerSpec):
    """One prompt after another, each token from a cache of those before it."""

    def build(self, context: BuildContext) -> Sampler:
        from irltui_harbour.sampler import CachedSampler

        return CachedSampler(context)


class Manners(BenchmarkSpec):
    """How long the answers to fixed questions are, and how likely a good answer is."""

    questions: dict[str, str] = Field(default={"Who are you?": "I am a model."}, min_length=1)
    """Questions, each with a good answer."""

    def build(self, context: BuildContext) -> Benchmark:
        from irltui_harbour.benchmark import MannersBenchmark

        return MannersBenchmark(self.questions)


@hookimpl
def irltui_rewards() -> dict[str, type[RewardSpec]]:
    return {"words": Words}


@hookimpl
def irltui_samplers() -> dict[str, type[SamplerSpec]]:
    return {"cached": Cached}


@hookimpl
def irltui_benchmarks() -> dict[str, type[BenchmarkSpec]]:
    return {"manners": Manners}
