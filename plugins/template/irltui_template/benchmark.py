"""A benchmark: does the model repeat itself? One score a prompt, so that two models can be compared item by item."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from irltui.api import Benchmark, BenchmarkSpec, BuildContext, Model, Score, hookimpl


class Distinct(BenchmarkSpec):
    """Share of different words in the answers to a few prompts; 1 repeats nothing."""

    prompts: list[str] = Field(default=["Who are you?", "What is the sun?", "Tell me a story."], min_length=1)
    """What is asked."""

    def build(self, context: BuildContext) -> Benchmark:
        return DistinctWords(self.prompts)


class DistinctWords(Benchmark):
    """Asks all prompts at once."""

    def __init__(self, prompts: list[str]) -> None:
        self._prompts = prompts

    def evaluate(self, model: Model) -> Iterator[Score]:
        for number, answer in enumerate(model.generate(self._prompts)):
            words = answer.split()
            yield Score(str(number), "distinct", len(set(words)) / len(words) if words else 1.0)


@hookimpl
def irltui_benchmarks() -> dict[str, type[BenchmarkSpec]]:
    return {"distinct": Distinct}
