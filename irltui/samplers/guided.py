"""y ~ pi with the strength of its reward: each token drawn by log pi_0 + w (log pi - log pi_0).

Only tokens stay that the policy itself finds plausible: what both models find hopeless has log-ratios of mere noise
(contrastive decoding, arXiv 2210.15097). Prompts are drawn a batch at a time, over keys and values of both models; a
policy with adapters computes both in one pass, each row once with its adapter and once without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from irltui.algorithm import Guidance
from irltui.api import Decoding, Generation, Prompt, Sampler, prompt_seed
from irltui.errors import ModelError
from irltui.lm.logprobs import marked_only
from irltui.lm.masks import UnsupportedModelError, mask_form
from irltui.lm.policy import LanguageModelPolicy
from irltui.samplers.draw import Draw

BATCH = 32
_BASE = "__base__"  # peft's name for no adapter


class GuidedSampler(Sampler):
    """Generations from `policy` and its `initial`, put together by `guidance`; log-probabilities are the policy's own.

    `poll` is called between tokens.
    """

    def __init__(self, policy: LanguageModelPolicy, guidance: Guidance, poll: Callable[[], None]) -> None:
        self.group = BATCH
        self._policy, self._guidance, self._poll = policy, guidance, poll

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        """One generation per prompt, a batch after the other.

        Raises:
            ModelError: the model is sharded over processes, or keeps no keys and values.
        """
        if self._policy.sharding is not None:
            raise ModelError(
                "decoding.strength: the model is sharded over processes, so pi_0 cannot be sampled beside it",
                'Set it to 1, and give a strength where the result is used: "irltui sample RUN --strength 3".',
            )
        with self._models() as models:
            for batch in self._batches(prompts):
                yield from self._batch(batch, models, decoding, seed)

    @contextmanager
    def _models(self) -> Iterator[list[_Cached]]:
        """What computes the logits of both: one model over all rows twice, or two."""
        policy = self._policy
        if policy.is_adapted:
            yield [_Cached(policy.model, tuple(policy.model.active_adapters))]
            return
        with policy.initial() as start:
            yield [_Cached(policy.model), _Cached(start.model)]

    def _batches(self, prompts: Sequence[Prompt]) -> Iterator[list[Prompt]]:
        """Of like length, and of one length where padding may run through a recurrent state."""
        ordered = sorted(prompts, key=_length)
        together = [ordered]
        try:
            mask_form(self._policy.model)
        except UnsupportedModelError:
            together = [list(alike) for _, alike in groupby(ordered, key=_length)]
        for some in together:
            yield from (some[at : at + self.group] for at in range(0, len(some), self.group))

    def _batch(
        self, prompts: Sequence[Prompt], models: Sequence[_Cached], decoding: Decoding, seed: int
    ) -> Iterator[Generation]:
        rows = _Rows(prompts, seed, self._policy)
        for model in models:
            model.forget()
        draw = Draw(decoding)
        for _ in range(decoding.max_new_tokens):
            self._poll()
            with torch.no_grad(), self._policy.autocast():
                ours, theirs = (half for model in models for half in model.logits(rows))
            token, _ = draw(self._guidance.logits(ours, theirs), rows.uniform())
            rows.add(token, ours.log_softmax(-1).gather(-1, token[:, None])[:, 0])
            if all(rows.ended):
                break
        yield from rows.generations()


def _length(prompt: Prompt) -> int:
    return len(prompt.tokens)


class _Rows:
    """A batch of generations on their way, prompts padded on the left."""

    def __init__(self, prompts: Sequence[Prompt], seed: int, policy: LanguageModelPolicy) -> None:
        self._prompts, self._eos_ids = prompts, policy.eos_ids
        self._streams = [np.random.default_rng(prompt_seed(seed, prompt.id)) for prompt in prompts]
        self._tokens: list[list[int]] = [[] for _ in prompts]
        self._logprobs: list[list[float]] = [[] for _ in prompts]
        self.ended = [False] * len(prompts)
        self.new, self._pads = (tensor.to(policy.device) for tensor in policy.left_padded(prompts))
        self._length = self.new.shape[1]

    @property
    def attention(self) -> Tensor:
        """(B, length so far), 0 on padding."""
        return (torch.arange(self._length, device=self._pads.device) >= self._pads[:, None]).long()

    @property
    def places(self) -> Tensor:
        """The positions of `new`, (B, new)."""
        columns = torch.arange(self._length - self.new.shape[1], self._length, device=self._pads.device)
        return (columns - self._pads[:, None]).clamp(min=0)

    @property
    def is_padded(self) -> bool:
        return bool(self._pads.any())

    def uniform(self) -> list[float]:
        """One number a row, from its own stream."""
        return [stream.random() for stream in self._streams]

    def add(self, tokens: Tensor, logprobs: Tensor) -> None:
        """One more token a row; what follows an end is dropped."""
        for i, (token, logprob) in enumerate(zip(tokens.tolist(), logprobs.tolist(), strict=True)):
            if not self.ended[i]:
                self._tokens[i].append(token)
                self._logprobs[i].append(logprob)
                self.ended[i] = token in self._eos_ids
        self.new = tokens[:, None]
        self._length += 1

    def generations(self) -> Iterator[Generation]:
        """What has been drawn."""
        for i, prompt in enumerate(self._prompts):
            yield Generation(prompt.id, tuple(self._tokens[i]), tuple(self._logprobs[i]), self.ended[i])


class _Cached:
    """A model with its keys and values; with `adapters` it computes all rows with them, and all without."""

    def __init__(self, model: Any, adapters: Sequence[str] = ()) -> None:
        self._model, self._adapters, self._cache = model, adapters, None
        self._head = model.get_output_embeddings()

    def forget(self) -> None:
        """Another batch begins."""
        self._cache = None

    def logits(self, rows: _Rows) -> Sequence[Tensor]:
        """(B, V) float32 of the next token: the model's, or the policy's and pi_0's.

        Raises:
            ModelError: it keeps no keys and values.
        """
        inputs = {"input_ids": rows.new}
        if rows.is_padded:
            inputs |= {"attention_mask": rows.attention, "position_ids": rows.places}
        options: dict[str, Any] = {}
        count = len(rows.new)
        if self._adapters:
            inputs = {name: torch.cat([value, value]) for name, value in inputs.items()}
            options = {"adapter_names": [self._adapters[0]] * count + [_BASE] * count}
        last = torch.zeros(inputs["input_ids"].shape, dtype=torch.bool, device=rows.new.device)
        last[:, -1] = True
        with marked_only(self._head, last):
            output = self._model(**inputs, **options, past_key_values=self._cache, use_cache=True)
        self._cache = getattr(output, "past_key_values", None)
        if self._cache is None:
            raise ModelError(
                f"decoding.strength: {type(self._model).__name__} keeps no keys and values to go on from",
                "Set it to 1.",
            )
        logits = output.logits.float().reshape(len(last), -1)
        return logits.split(count)
