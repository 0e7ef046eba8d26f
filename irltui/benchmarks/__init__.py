"""The benchmarks that irltui ships: options declared here without torch, built by the modules beside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from irltui.api import Benchmark, BenchmarkSpec, BuildContext, hookimpl


class Quickstart(BenchmarkSpec):
    """Exact answer quality in the embedded default's small world, and the distance to its expert."""

    gold = "quality"
    count: int = Field(default=128, ge=1)
    """How many fresh prompts to ask."""
    seed: int = Field(default=1, ge=0)
    """Which prompts; with the same seed, every model gets the same ones."""

    def build(self, context: BuildContext) -> Benchmark:
        from irltui.benchmarks.quickstart import QuickstartBenchmark

        return QuickstartBenchmark(self.count, self.seed)


class FileSpec(BenchmarkSpec):
    paths = ("data",)
    data: str = Field(min_length=1)
    """JSONL, JSON, Parquet, CSV or Arrow file, folder of such files, or hub name; not the training data."""
    split: str = "train"
    """Split of a hub data set."""
    subset: str = "auto"
    """Configuration name of a hub data set."""
    limit: Literal["all"] | Annotated[int, Field(ge=1)] = "all"
    """Use only the first rows."""
    prompt: str = "auto"
    """Column with the prompt (text, or a list of chat messages); auto finds the usual names."""


class PairSpec(FileSpec):
    chosen: str = "chosen"
    """Column with the better answer (or the conversation that ends with it)."""
    rejected: str = "rejected"
    """Column with the worse answer (or the conversation that ends with it)."""


class AnswerSpec(FileSpec):
    completion: str = "auto"
    """Column with the answer; auto finds the usual names."""


class LogprobGap(PairSpec):
    """How much more likely the policy finds chosen than rejected answers: log pi(chosen) - log pi(rejected)."""

    def build(self, context: BuildContext) -> Benchmark:
        from irltui.benchmarks.preferences import LogprobGapBenchmark
        from irltui.benchmarks.reading import read_preferences

        return LogprobGapBenchmark(read_preferences(self))


class RewardAccuracy(PairSpec):
    """How often the learned reward prefers the chosen answer to the rejected one."""

    needs_reward = True

    def build(self, context: BuildContext) -> Benchmark:
        from irltui.benchmarks.preferences import RewardAccuracyBenchmark
        from irltui.benchmarks.reading import read_preferences

        return RewardAccuracyBenchmark(read_preferences(self))


class WinRate(AnswerSpec):
    """How often a separate judge prefers the policy's answer to the one in the file, with length and diversity."""

    gold = "win"
    paths = ("data", "judge")
    judge: str = Field(min_length=1)
    """quickstart: the embedded world's exact rules; or folder or hub name of a sequence-classification model."""
    judge_reads: Literal["auto", "answer"] = "auto"
    """auto: prompt and answer, in the judge's chat template if it has one, else as a pair; answer: only the answer."""
    judge_label: int = -1
    """For a judge with several classes, the one that means good; -1 is the last."""
    judge_tokens: int = Field(default=1024, ge=8)
    """Most tokens the judge reads; longer texts are truncated, also to its own limit."""

    def build(self, context: BuildContext) -> Benchmark:
        from irltui.benchmarks.judges import build_judge
        from irltui.benchmarks.reading import read_answers
        from irltui.benchmarks.win_rate import WinRateBenchmark

        items = read_answers(self)
        return WinRateBenchmark(items, build_judge(self, [item.prompt for item in items], context))


class HeldoutNll(AnswerSpec):
    """Negative log-likelihood of demonstrations that were not trained on."""

    def build(self, context: BuildContext) -> Benchmark:
        from irltui.benchmarks.demonstrations import HeldoutNllBenchmark
        from irltui.benchmarks.reading import read_answers

        return HeldoutNllBenchmark(read_answers(self))


class Planted(AnswerSpec):
    """How well the learned reward finds the demonstrations that a column marks as bad."""

    needs_reward = True
    bad: str = Field(default="bad", min_length=1)
    """Column that marks bad demonstrations: true or false, 1 or 0, as values or text."""

    def build(self, context: BuildContext) -> Benchmark:
        from irltui.benchmarks.demonstrations import PlantedBenchmark
        from irltui.benchmarks.reading import read_marked

        return PlantedBenchmark(*read_marked(self))


@hookimpl
def irltui_benchmarks() -> dict[str, type[BenchmarkSpec]]:
    return {
        "quickstart": Quickstart,
        "logprob_gap": LogprobGap,
        "win_rate": WinRate,
        "reward_accuracy": RewardAccuracy,
        "heldout_nll": HeldoutNll,
        "planted": Planted,
    }
