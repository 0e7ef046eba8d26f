"""A sampler with a cache. Every prompt has its own random stream, so neighbours do not matter."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from irltui.api import BuildContext, Decoding, Generation, Prompt, Sampler, prompt_seed


class CachedSampler(Sampler):
    """Yields each generation as it ends."""

    group = 8

    def __init__(self, context: BuildContext) -> None:
        self._policy, self._poll = context.policy, context.poll

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        for prompt in prompts:
            yield self._answer(prompt, decoding, prompt_seed(seed, prompt.id))

    @torch.no_grad()
    def _answer(self, prompt: Prompt, decoding: Decoding, seed: int) -> Generation:
        model, stream = self._policy.model, torch.Generator().manual_seed(seed)
        seen, cache = list(prompt.tokens), None
        tokens: list[int] = []
        logprobs: list[float] = []
        while len(tokens) < decoding.max_new_tokens:
            self._poll()
            ids = torch.tensor([seen], device=model.device)
            out = model(input_ids=ids, past_key_values=cache, use_cache=True)
            cache, logits = out.past_key_values, out.logits[0, -1].float().cpu()
            token = _draw(logits, decoding, stream)
            tokens.append(token)
            logprobs.append(float(logits.log_softmax(-1)[token]))
            if token in self._policy.eos_ids:
                return Generation(prompt.id, tuple(tokens), tuple(logprobs), ended=True)
            seen = [token]
        return Generation(prompt.id, tuple(tokens), tuple(logprobs), ended=False)


def _draw(logits: torch.Tensor, decoding: Decoding, stream: torch.Generator) -> int:
    if decoding.temperature == 0:
        return int(logits.argmax())
    weights, order = (logits / decoding.temperature).softmax(-1).sort(descending=True, stable=True)
    if decoding.top_k:
        weights[decoding.top_k :] = 0
    weights[weights.cumsum(-1) - weights >= decoding.top_p] = 0
    return int(order[weights.multinomial(1, generator=stream)])
