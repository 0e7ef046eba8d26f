"""The policy as a benchmark sees it: text in, text and log-probabilities out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from irltui.api import Decoding, Prompt, Sampler
from irltui.data.template import PromptTemplate
from irltui.lm.policy import LanguageModelPolicy, score_all

_SEED = 20_240_517  # the same for every model, so that a difference between two is theirs


class ModelUnderTest:
    """`irltui.api.Model` over a policy, its sampler and its template."""

    def __init__(
        self,
        policy: LanguageModelPolicy,
        sampler: Sampler,
        decoding: Decoding,
        template: PromptTemplate,
        batch: int,
        poll: Callable[[], None],
    ) -> None:
        self._policy, self._sampler, self._decoding = policy, sampler, decoding
        self._template, self._batch, self._poll = template, batch, poll

    def generate(self, prompts: Sequence[str]) -> Sequence[str]:
        """One answer per prompt, in order, drawn with the run's decoding."""
        asked = self._prompts(prompts)
        self._sampler.refresh()
        drawn = {g.prompt_id: g for g in self._sampler.sample(asked, self._decoding, _SEED)}
        answers = []
        for prompt in asked:
            generation = drawn[prompt.id]
            tokens = generation.tokens[:-1] if generation.ended else generation.tokens
            answers.append(self._policy.tokenizer.decode(tokens, skip_special_tokens=False))
        return answers

    def log_probs(self, prompts: Sequence[str], answers: Sequence[str]) -> Sequence[float]:
        """Log pi(answer | prompt) in nats, end-of-sequence included, in order."""
        responses = [self._template.response_ids(answer) for answer in answers]
        scores = score_all(self._policy, self._prompts(prompts), responses, batch=2 * self._batch, poll=self._poll)
        return [sum(row) for row in scores]

    def _prompts(self, prompts: Sequence[str]) -> list[Prompt]:
        return [Prompt(f"item-{i}", text, self._template.prompt_ids(text)) for i, text in enumerate(prompts)]
