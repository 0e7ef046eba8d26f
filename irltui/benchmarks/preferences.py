"""Benchmarks over preference pairs that were not trained on: of the policy itself, and of the learned reward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irltui.api import Benchmark, Model, Score
from irltui.benchmarks.reading import Preference


class LogprobGapBenchmark(Benchmark):
    """log pi(chosen) - log pi(rejected), in nats per response and per token.

    Compare with the figures before training (the paper's Figure 1): SFT raises both sides, a reward widens the gap.
    """

    def __init__(self, pairs: Sequence[Preference]) -> None:
        self._pairs = pairs

    def evaluate(self, model: Model) -> Iterator[Score]:
        prompts = [pair.prompt for pair in self._pairs]
        answers = [pair.chosen for pair in self._pairs], [pair.rejected for pair in self._pairs]
        logp = [model.log_probs(prompts, side) for side in answers]
        counts = [model.token_counts(side) for side in answers]
        for pair, chosen, rejected, of_chosen, of_rejected in zip(self._pairs, *logp, *counts, strict=True):
            values = {
                "gap": chosen - rejected,
                "gap_per_token": chosen / of_chosen - rejected / of_rejected,
                "accuracy": _share(chosen, rejected),
                "chosen": chosen,
                "rejected": rejected,
                "chosen_per_token": chosen / of_chosen,
                "rejected_per_token": rejected / of_rejected,
            }
            for metric, value in values.items():
                yield Score(pair.item, metric, value)


class RewardAccuracyBenchmark(Benchmark):
    """How often r(x, chosen) > r(x, rejected), counting ties as half, and by how much."""

    def __init__(self, pairs: Sequence[Preference]) -> None:
        self._pairs = pairs

    def evaluate(self, model: Model) -> Iterator[Score]:
        prompts = [pair.prompt for pair in self._pairs]
        chosen = model.rewards(prompts, [pair.chosen for pair in self._pairs])
        rejected = model.rewards(prompts, [pair.rejected for pair in self._pairs])
        for pair, better, worse in zip(self._pairs, chosen, rejected, strict=True):
            yield Score(pair.item, "accuracy", _share(better, worse))
            yield Score(pair.item, "gap", better - worse)
            yield Score(pair.item, "chosen", better)
            yield Score(pair.item, "rejected", worse)


def _share(first: float, second: float) -> float:
    """1 if the first is larger, 0.5 for a tie, else 0."""
    return 0.5 if first == second else float(first > second)
