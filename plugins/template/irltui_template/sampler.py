"""A sampler: one prompt after another, one token after another. Slow, and short enough to be read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from irltui.api import BuildContext, Decoding, Generation, Prompt, Sampler, SamplerSpec, hookimpl, prompt_seed


class Plain(SamplerSpec):
    """Token by token, without a cache: for models that `generate` cannot serve."""

    def build(self, context: BuildContext) -> Sampler:
        return PlainSampler(context)


class PlainSampler(Sampler):
    """Draws from a random stream that belongs to the prompt, so that neighbours do not matter."""

    group = 16

    def __init__(self, context: BuildContext) -> None:
        self._policy, self._poll = context.policy, context.poll

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        for prompt in prompts:
            yield self._draw(prompt, decoding, prompt_seed(seed, prompt.id))

    def _draw(self, prompt: Prompt, decoding: Decoding, seed: int) -> Generation:
        import torch

        stream = torch.Generator().manual_seed(seed)
        tokens: list[int] = []
        logprobs: list[float] = []
        while len(tokens) < decoding.max_new_tokens and not (tokens and tokens[-1] in self._policy.eos_ids):
            self._poll()  # lets the run pause or stop here
            ids = torch.tensor([[*prompt.tokens, *tokens]], device=self._policy.model.device)
            with torch.no_grad():
                logits = self._policy.model(input_ids=ids).logits[0, -1].float().cpu()
            token = self._choose(logits, decoding, stream)
            tokens.append(token)
            # Of the policy itself: temperature 1, nothing cut off.
            logprobs.append(float(torch.log_softmax(logits, dim=-1)[token]))
        return Generation(prompt.id, tuple(tokens), tuple(logprobs), tokens[-1] in self._policy.eos_ids)

    def _choose(self, logits, decoding: Decoding, stream) -> int:  # noqa: ANN001 - tensors, and torch stays unimported
        if decoding.temperature == 0:
            return int(logits.argmax())
        logits = logits / decoding.temperature
        if decoding.top_k:
            logits[logits < logits.topk(decoding.top_k).values[-1]] = float("-inf")
        ordered, order = logits.softmax(-1).sort(descending=True, stable=True)
        ordered[ordered.cumsum(-1) - ordered >= decoding.top_p] = 0.0  # the first token always stays
        return int(order[ordered.multinomial(1, generator=stream)])


@hookimpl
def irltui_samplers() -> dict[str, type[SamplerSpec]]:
    return {"plain": Plain}
