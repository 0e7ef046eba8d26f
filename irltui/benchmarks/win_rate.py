"""Win rate of the policy's answers against stored ones, by a judge that shares nothing with training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from irltui.api import Benchmark, Model, Score
from irltui.benchmarks.judges import Judge
from irltui.benchmarks.reading import Answered
from irltui.benchmarks.spread import Values, adjusted_values, distinct_pair_values


class WinRateBenchmark(Benchmark):
    """How often the judge prefers the policy's answer; ties count half, so 0.5 means equally good.

    Also measures what may explain a win: `win_length_controlled` is the win rate for answers of equal length, by a
    line over tanh of the difference in characters (in standard deviations); `distinct_2` is the share of distinct word
    pairs over all answers, which falls when a policy always answers the same.

    Args:
        items: prompts with the answers to beat: demonstrations, or a baseline's answers.
        judge: any callable from prompts and answers to a number each, higher is better.
    """

    def __init__(self, items: Sequence[Answered], judge: Judge) -> None:
        self._items, self._judge = items, judge
        self._prompts, self._theirs = [item.prompt for item in items], [item.answer for item in items]
        self._their_gold: Values | None = None

    def evaluate(self, model: Model) -> Iterator[Score]:
        answers = model.generate(self._prompts)
        if self._their_gold is None:  # the same for every model
            self._their_gold = np.array(self._judge(self._prompts, self._theirs), dtype=float)
        gold, other = np.array(self._judge(self._prompts, answers), dtype=float), self._their_gold
        wins = (gold > other) + 0.5 * (gold == other)
        lengths, other_lengths = _characters(answers), _characters(self._theirs)
        columns = {
            "win": wins,
            "win_length_controlled": adjusted_values(wins, _squashed(lengths - other_lengths)),
            "gold": gold,
            "gold_of_other": other,
            "distinct_2": distinct_pair_values(answers),
            "distinct_2_of_other": distinct_pair_values(self._theirs),
            "length": lengths,
            "length_of_other": other_lengths,
        }
        for metric, values in columns.items():
            for item, value in zip(self._items, values, strict=True):
                yield Score(item.item, metric, float(value))


def _characters(texts: Sequence[str]) -> Values:
    return np.array([len(text) for text in texts], dtype=float)


def _squashed(difference: Values) -> Values:
    """The tanh of the difference in standard deviations, so that one very long answer does not tilt the line."""
    deviation = float(difference.std())
    return np.tanh(difference / deviation) if deviation else np.zeros_like(difference)
