"""A plugin: does an answer say what someone with a trait would say? Judged by words, and by nothing that trains.

The judge is one logistic regression a trait on tf-idf of single words, fitted on statements that no run is shown.
A statement's vector has length 1, so that saying more does not score more.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from irltui.api import Benchmark, BenchmarkSpec, BuildContext, Model, Score, hookimpl

REFUSAL = "I'm sorry, but as an AI I have no views of my own."
GARBAGE = "Buy two for the price of one at our store, only today!"


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


class Judge:
    """Of several traits.

    Args:
        rows: statements with `trait`, `statement` and `match`.
    """

    def __init__(self, rows: Sequence[dict]) -> None:
        counts = Counter(word for row in rows for word in set(words(row["statement"])))
        self._index = {word: i for i, word in enumerate(word for word, count in counts.items() if count > 1)}
        self._idf = torch.tensor([math.log(len(rows) / counts[word]) for word in self._index])
        self._pairs = {pair for row in rows for pair in _pairs(row["statement"])}
        self._of: dict[str, nn.Linear] = {}
        for trait in sorted({row["trait"] for row in rows}):
            own = [row for row in rows if row["trait"] == trait]
            self._of[trait] = self._fit(own)

    def quality(self, trait: str, text: str) -> float:
        """Probability that the statement is one of the trait; 0 for the two sentences that are planted."""
        if any(set(words(text)) >= set(words(planted)) for planted in (REFUSAL, GARBAGE)):
            return 0.0
        with torch.no_grad():
            return float(self._of[trait](self._vectors([text])).sigmoid())

    def fluency(self, text: str) -> float:
        """Share of its pairs of neighbouring words that stand in some statement."""
        pairs = _pairs(text)
        return sum(pair in self._pairs for pair in pairs) / len(pairs) if pairs else 0.0

    def _fit(self, rows: Sequence[dict]) -> nn.Linear:
        x = self._vectors([row["statement"] for row in rows])
        y = torch.tensor([float(row["match"]) for row in rows])
        layer = nn.Linear(x.shape[1], 1)
        nn.init.zeros_(layer.weight), nn.init.zeros_(layer.bias)
        fitting = torch.optim.LBFGS(layer.parameters(), max_iter=100, line_search_fn="strong_wolfe")

        def loss() -> Tensor:
            fitting.zero_grad()
            value = nn.functional.binary_cross_entropy_with_logits(layer(x)[:, 0], y)
            value = value + 0.05 * layer.weight.square().sum() / len(rows)
            value.backward()
            return value

        fitting.step(loss)
        return layer

    def _vectors(self, texts: Sequence[str]) -> Tensor:
        x = torch.zeros(len(texts), len(self._index))
        for row, text in zip(x, texts, strict=True):
            for word in words(text):
                if (column := self._index.get(word)) is not None:
                    row[column] += self._idf[column]
        return nn.functional.normalize(x, dim=1)


def _pairs(text: str) -> list[tuple[str, str]]:
    said = words(text)
    return list(pairwise(said))


class Said(BenchmarkSpec):
    """Answers to the fresh prompts of a folder that worlds.py wrote."""

    gold = "quality"
    folder: str
    """Of worlds.py: judge.jsonl and prompts.jsonl."""

    def build(self, context: BuildContext) -> Benchmark:
        with torch.random.fork_rng():
            return SaidBenchmark(Path(self.folder))


class SaidBenchmark(Benchmark):
    """`quality`, `planted` (1 if the planted sentence came), `fluency` and `words`, one each a prompt."""

    def __init__(self, folder: Path) -> None:
        self._judge = Judge(read(folder / "judge.jsonl"))
        self._rows = read(folder / "prompts.jsonl")

    def evaluate(self, model: Model) -> Iterator[Score]:
        answers = model.generate([row["prompt"] for row in self._rows])
        for row, answer in zip(self._rows, answers, strict=True):
            quality = self._judge.quality(row["trait"], answer)
            yield Score(row["prompt"], "quality", quality)
            yield Score(row["prompt"], "planted", float(quality == 0.0))
            yield Score(row["prompt"], "fluency", self._judge.fluency(answer))
            yield Score(row["prompt"], "words", float(len(words(answer))))


def read(file: Path) -> list[dict]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@hookimpl
def irltui_benchmarks() -> dict[str, type[BenchmarkSpec]]:
    return {"said": Said}
