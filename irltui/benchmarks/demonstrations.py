"""Benchmarks over demonstrations: their likelihood, and how well the reward tells planted bad ones from the rest."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from irltui.api import Benchmark, Model, Score
from irltui.benchmarks.reading import Answered
from irltui.benchmarks.spread import auc_values


class HeldoutNllBenchmark(Benchmark):
    """-log pi(y | x) in nats per response and per token, both averaged over responses."""

    def __init__(self, items: Sequence[Answered]) -> None:
        self._items = items

    def evaluate(self, model: Model) -> Iterator[Score]:
        answers = [item.answer for item in self._items]
        logp = model.log_probs([item.prompt for item in self._items], answers)
        for item, value, tokens in zip(self._items, logp, model.token_counts(answers), strict=True):
            yield Score(item.item, "nll", -value)
            yield Score(item.item, "nll_per_token", -value / tokens)


class PlantedBenchmark(Benchmark):
    """`auc`: probability that a good demonstration has a higher reward than a planted bad one; 0.5 is chance.

    `auc_per_token` uses rewards divided by length, since an implicit reward is a sum over tokens. An item's value of
    both is the figure plus its influence; `good` and `bad` are the rewards themselves. Some marks are bad, not all.
    """

    def __init__(self, items: Sequence[Answered], marks: Sequence[bool]) -> None:
        self._items, self._bad = items, np.array(marks, dtype=bool)

    def evaluate(self, model: Model) -> Iterator[Score]:
        answers = [item.answer for item in self._items]
        rewards = np.array(model.rewards([item.prompt for item in self._items], answers), dtype=float)
        tokens = np.array(model.token_counts(answers), dtype=float)
        for metric, values in (("auc", rewards), ("auc_per_token", rewards / tokens)):
            for item, value in zip(self._items, self._spread(values), strict=True):
                yield Score(item.item, metric, float(value))
        for item, is_bad, reward in zip(self._items, self._bad, rewards, strict=True):
            yield Score(item.item, "bad" if is_bad else "good", float(reward))

    def _spread(self, values: np.ndarray) -> np.ndarray:
        spread = np.empty_like(values)
        spread[~self._bad], spread[self._bad] = auc_values(values[~self._bad], values[self._bad])
        return spread
