"""The policy as a benchmark sees it: text in; text, log-probabilities and rewards out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from irltui.api import Decoding, Known, Prompt, PromptText, Reward, Sampler
from irltui.data.template import PromptTemplate
from irltui.engine.draw import context_of, draw
from irltui.errors import DataError, ModelError
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.rewards.scoring import score_rewards

_SEED = 20_240_517  # the same for every model, so that a difference between two is theirs


Rewards = Callable[[Sequence[Prompt], Sequence[Sequence[int]]], Sequence[float]]
"""Of responses, as token ids, in order."""


@dataclass
class ModelUnderTest:
    """`irltui.api.Model` over a policy: `batch` responses per forward pass, and no rewards if none was learned."""

    policy: LanguageModelPolicy
    sampler: Sampler
    decoding: Decoding
    template: PromptTemplate
    batch: int
    poll: Callable[[], None]
    rewards_of: Rewards | None = None
    notice: Callable[[str], None] = lambda _: None
    _told: bool = False

    def decoded(self, sampler: Sampler, decoding: Decoding) -> ModelUnderTest:
        """The same model, whose answers are drawn otherwise."""
        return replace(self, sampler=sampler, decoding=decoding)

    @property
    def _limit(self) -> int:
        return context_of(self.policy)

    def generate(self, prompts: Sequence[PromptText]) -> Sequence[str]:
        """One answer per prompt, in order, drawn with the run's decoding.

        A prompt that leaves less of the model's context than decoding.max_new_tokens gets as many tokens as fit.
        """
        asked = [_prompt(i, text, self.template.prompt_ids(text)) for i, text in enumerate(prompts)]
        self._check_lengths(asked, [1] * len(asked))
        self.sampler.refresh()
        generations, shorter = draw(self.sampler, asked, self.decoding, _SEED, self._limit)
        if shorter and not self._told:
            self._told = True
            self.notice(
                f"{shorter} of {len(asked)} prompts of a benchmark leave less than decoding.max_new_tokens = "
                f"{self.decoding.max_new_tokens} of the model's context ({self._limit} tokens): "
                "their answers may be shorter."
            )
        return [self.policy.decode(generation.tokens) for generation in generations]

    def log_probs(self, prompts: Sequence[PromptText], answers: Sequence[str]) -> Sequence[float]:
        """Log pi(answer | prompt) in nats, end-of-sequence included, in order."""
        asked, responses = self._pairs(prompts, answers)
        return [sum(row) for row in score_all(self.policy, asked, responses, batch=2 * self.batch, poll=self.poll)]

    def token_counts(self, answers: Sequence[str]) -> Sequence[int]:
        """Tokens of each answer, end-of-sequence included, in order."""
        return [len(self.template.response_ids(answer)) for answer in answers]

    def rewards(self, prompts: Sequence[PromptText], answers: Sequence[str]) -> Sequence[float]:
        """The learned reward of each answer, in order."""
        if self.rewards_of is None:
            raise ModelError("this model has no learned reward", "Use a run that learned one.")
        return self.rewards_of(*self._pairs(prompts, answers))

    def _pairs(
        self, prompts: Sequence[PromptText], answers: Sequence[str]
    ) -> tuple[list[Prompt], list[tuple[int, ...]]]:
        pairs = [self.template.pair_ids(text, answer) for text, answer in zip(prompts, answers, strict=True)]
        responses = [pair.response for pair in pairs]
        asked = [_prompt(i, text, pair.prompt) for i, (text, pair) in enumerate(zip(prompts, pairs, strict=True))]
        self._check_lengths(asked, list(map(len, responses)))
        return asked, responses

    def _check_lengths(self, prompts: Sequence[Prompt], responses: Sequence[int]) -> None:
        limit = self._limit
        for number, (prompt, response) in enumerate(zip(prompts, responses, strict=True), start=1):
            if len(prompt.tokens) + response > limit:
                raise DataError(
                    f"item {number} ({prompt.text[:40]!r}...): prompt of {len(prompt.tokens)} and answer of "
                    f"{response} tokens, but the model reads at most {limit}",
                    "Remove such rows.",
                )


@dataclass
class RewardOfRun:
    """The reward as training has it now, as `Rewards`; one that needs a reference is measured against pi_0.

    Benchmarks ask about the same responses in every outer iteration, so pi_0 is asked once and remembered.
    """

    reward: Reward
    policy: LanguageModelPolicy
    needs_reference: bool
    batch: int
    poll: Callable[[], None]
    _initial: dict[Any, list[float]] = field(default_factory=dict)
    """(prompt ids, response ids) -> log pi_0 of each token."""

    def __call__(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]]) -> list[float]:
        reference = self._reference(prompts, responses) if self.needs_reference else None
        scores = score_rewards(
            self.reward, self.policy, prompts, responses, reference, batch=self.batch, poll=self.poll
        )
        return [score.total for score in scores]

    def _reference(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]]) -> list[list[float]]:
        keys = [(prompt.tokens, tuple(response)) for prompt, response in zip(prompts, responses, strict=True)]
        if any(key not in self._initial for key in keys):  # then all of them: in the same batches as the policy's
            # No poll: with adapters, the answer to a `sample` command would be pi_0's.
            with self.policy.initial() as initial:
                rows = score_all(initial, prompts, responses, batch=self.batch)
            self._initial |= dict(zip(keys, rows, strict=True))
        return [self._initial[key] for key in keys]


def _prompt(i: int, text: PromptText, tokens: tuple[int, ...]) -> Prompt:
    shown = text if isinstance(text, str) else text[-1]["content"]
    return Prompt(f"item-{i}", shown, tokens, lambda: Known(text))
