"""The gold score of the embedded default: answers checked by the world's rules, and the distance to its expert."""

from __future__ import annotations

import math
from collections.abc import Iterator

from irltui.api import Benchmark, Model, Score
from irltui.benchmarks.spread import distinct_pair_values
from irltui.quickstart.grammar import evaluation_prompts, expert, expert_log_prob, generator, quality, sample


class QuickstartBenchmark(Benchmark):
    """Four scores per prompt, which is the item, on new prompts of the small world.

    `quality`: share of the rules' checks that an answer passes, 0 if its fact is wrong. `expert_like`: 1 if the
    expert could have given it. `divergence`: log pi_E(y | x) - log pi(y | x) for an expert's y, whose mean is
    KL(pi_E || pi) in nats. `distinct_2`: the share of distinct word pairs among all answers.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._prompts = evaluation_prompts(count, seed)
        stream = generator(seed)
        self._experts = [sample(expert(prompt), stream) for prompt in self._prompts]

    def evaluate(self, model: Model) -> Iterator[Score]:
        answers = model.generate(self._prompts)
        for prompt, answer, distinct in zip(self._prompts, answers, distinct_pair_values(answers), strict=True):
            yield Score(prompt, "quality", quality(prompt, answer))
            yield Score(prompt, "expert_like", float(math.isfinite(expert_log_prob(prompt, answer))))
            yield Score(prompt, "distinct_2", float(distinct))
        logp = model.log_probs(self._prompts, self._experts)
        for prompt, answer, found in zip(self._prompts, self._experts, logp, strict=True):
            yield Score(prompt, "divergence", expert_log_prob(prompt, answer) - found)
