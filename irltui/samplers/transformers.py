"""Sample y~ ~ pi with transformers' `generate` and one random stream per prompt.

`generate` samples a whole batch from one stream, so that a generation would depend on its neighbours. Here a logits
processor samples instead (inverse CDF, with uniform numbers from the prompt's own seed) and leaves `generate` a single
choice. The model's generation_config.json is ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from irltui.api import Decoding, Generation, Prompt, Sampler, prompt_seed
from irltui.errors import ModelError
from irltui.lm.policy import LanguageModelPolicy
from irltui.samplers.agreement import GREEDY, agrees, probe_prompts, without_autocast
from irltui.samplers.draw import Draw

Split = Callable[[Sequence[Prompt]], list[Sequence[Prompt]]]


class TransformersSampler(Sampler):
    """Samples from `policy`, `batch` prompts at a time, or fewer, with a notice, if the model needs smaller batches.

    `poll` is called between tokens.
    """

    def __init__(
        self,
        policy: LanguageModelPolicy,
        batch: int,
        poll: Callable[[], None],
        notice: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.group = batch
        self._policy, self._poll, self._notice = policy, poll, notice
        self._split: Split | None = None  # decided at the first use

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        """One generation per prompt, `group` at a time.

        Raises:
            ModelError: `generate` differs from the policy, however prompts are batched.
        """
        if self._split is None:
            self._split = self._find_split()
        for at in range(0, len(prompts), self.group):
            for batch in self._split(prompts[at : at + self.group]):
                yield from self._batch(batch, decoding, seed)

    def _find_split(self) -> Split:
        """The largest batches in which rows do not affect each other: padding may run through a recurrent state."""
        policy = without_autocast(self._policy)
        trial, prompts = TransformersSampler(policy, self.group, self._poll), probe_prompts(policy)
        name = type(policy.model).__name__
        for split, consequence in _SPLITS.items():
            drawn = [g for batch in split(prompts) for g in trial._batch(batch, GREEDY, 0)]
            if not agrees(policy, prompts, drawn):
                continue
            if consequence:
                self._notice(f"sampler transformers: padding changes probabilities of {name}: {consequence}.")
            return split
        raise ModelError(
            f"{name}: transformers' generate gives other probabilities than a forward pass of the model",
            'Its generations would not be the policy\'s. Use algorithm = "sft", or another model.',
        )

    def _batch(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> list[Generation]:
        policy = self._policy
        draw = _OneStreamEach([prompt_seed(seed, prompt.id) for prompt in prompts], decoding, self._poll)
        input_ids, pads = policy.left_padded(prompts)
        attention_mask = (torch.arange(input_ids.shape[1]) >= pads[:, None]).long()
        config = GenerationConfig(
            max_new_tokens=decoding.max_new_tokens,
            do_sample=False,  # the processor samples
            pad_token_id=policy.pad_id,
            eos_token_id=sorted(policy.eos_ids),
            use_cache=True,
        )
        theirs, policy.model.generation_config = policy.model.generation_config, config
        try:
            with torch.no_grad(), policy.autocast():
                output = policy.model.generate(
                    input_ids=input_ids.to(policy.device),
                    attention_mask=attention_mask.to(policy.device),
                    generation_config=config,
                    logits_processor=LogitsProcessorList([draw]),
                )
        finally:
            policy.model.generation_config = theirs
        logprobs = torch.stack(draw.logprobs, dim=1).tolist()
        rows = output[:, input_ids.shape[1] :].tolist()
        return [self._cut(p, row, logp) for p, row, logp in zip(prompts, rows, logprobs, strict=True)]

    def _cut(self, prompt: Prompt, row: list[int], logprobs: list[float]) -> Generation:
        """Truncate at the first end-of-sequence id; what follows is padding, which may have the same id."""
        end = next((i for i, token in enumerate(row) if token in self._policy.eos_ids), None)
        count = len(row) if end is None else end + 1
        return Generation(prompt.id, tuple(row[:count]), tuple(logprobs[:count]), end is not None)


def _together(prompts: Sequence[Prompt]) -> list[Sequence[Prompt]]:
    return [prompts]


def _of_one_length(prompts: Sequence[Prompt]) -> list[Sequence[Prompt]]:
    alike: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        alike.setdefault(len(prompt.tokens), []).append(prompt)
    return list(alike.values())


def _one_by_one(prompts: Sequence[Prompt]) -> list[Sequence[Prompt]]:
    return [[prompt] for prompt in prompts]


_SPLITS: dict[Split, str] = {
    _together: "",
    _of_one_length: "only prompts of equal length are sampled together, which is slower",
    _one_by_one: "prompts are sampled one at a time, which is much slower",
}


class _OneStreamEach(LogitsProcessor):
    """Samples each row's next token from its own random stream and keeps its log-probability under the policy."""

    def __init__(self, seeds: Sequence[int], decoding: Decoding, poll: Callable[[], None]) -> None:
        self.logprobs: list[Tensor] = []  # one (B,) float32 per step
        self._streams = [np.random.default_rng(seed) for seed in seeds]
        self._draw, self._poll = Draw(decoding), poll

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """(B, V) logits -> scores in which only the sampled token is finite."""
        self._poll()
        token, logp = self._draw(scores, [stream.random() for stream in self._streams])
        self.logprobs.append(logp.cpu())
        return torch.full_like(scores, float("-inf")).scatter(-1, token[:, None], 0.0)
