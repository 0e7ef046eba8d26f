"""Two figures of each question; the question is the item's name, so runs can be compared item by item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from irltui.api import Benchmark, Model, Score


class MannersBenchmark(Benchmark):
    def __init__(self, questions: Mapping[str, str]) -> None:
        self._questions, self._answers = list(questions), list(questions.values())

    def evaluate(self, model: Model) -> Iterator[Score]:
        given = model.generate(self._questions)
        likely = model.log_probs(self._questions, self._answers)
        for question, answer, logp in zip(self._questions, given, likely, strict=True):
            yield Score(question, "words", float(len(answer.split())))
            yield Score(question, "good", logp)
