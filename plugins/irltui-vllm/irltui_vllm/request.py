"""How a draw is asked for, the same for server and process. Knows no transport.

Every option of sampling is given, so that no generation_config.json takes part, and only the policy's own
end-of-sequence ids end a response.
"""

from __future__ import annotations

from typing import Any

from irltui.api import Decoding, Generation, Prompt, prompt_seed
from irltui_vllm.errors import VllmError


def sampling(prompt: Prompt, decoding: Decoding, seed: int, eos_ids: frozenset[int]) -> dict[str, Any]:
    """What vLLM calls sampling parameters; log-probabilities of the drawn tokens alone."""
    return {
        "n": 1,
        "max_tokens": decoding.max_new_tokens,
        "temperature": decoding.temperature,
        "top_p": decoding.top_p,
        "top_k": decoding.top_k,
        "min_p": 0.0,
        "repetition_penalty": 1.0,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": prompt_seed(seed, prompt.id),
        "stop_token_ids": sorted(eos_ids),
        "ignore_eos": True,
        "logprobs": 0,
    }


def generation(prompt: Prompt, tokens: Any, logprobs: Any, eos_ids: frozenset[int], cap: int) -> Generation:
    """What was drawn.

    Raises:
        VllmError: nothing was drawn, not every token has a log-probability, or it stops before end and cap: vLLM
            truncates a response silently where prompt and response together reach its longest sequence.
    """
    if not isinstance(tokens, list) or not tokens or not all(type(token) is int for token in tokens):
        raise VllmError(
            f"prompt {prompt.id}: the answer holds no token ids",
            "return_token_ids needs vLLM 0.10.2 or newer.",
        )
    if not isinstance(logprobs, list) or [type(value) for value in logprobs] != [float] * len(tokens):
        raise VllmError(
            f"prompt {prompt.id}: {len(tokens)} tokens come without a log-probability each",
            "Start vLLM with its default --logprobs-mode raw_logprobs.",
        )
    ended = tokens[-1] in eos_ids
    if not ended and len(tokens) < cap:
        raise VllmError(
            f"prompt {prompt.id}: truncated after {len(tokens)} of {cap} tokens, with a prompt of {len(prompt.tokens)}",
            "Raise vLLM's longest sequence (--max-model-len; sampler.max_tokens of vllm/local), or lower "
            "data.max_prompt_tokens or data.max_response_tokens.",
        )
    return Generation(prompt.id, tuple(tokens), tuple(logprobs), ended)
