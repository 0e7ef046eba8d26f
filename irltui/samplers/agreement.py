"""Whether a sampler's log-probabilities are the policy's: a trial before the first use, and a metric of each run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch

from irltui.api import Decoding, Generation, Prompt
from irltui.lm.policy import LanguageModelPolicy

GREEDY = Decoding(temperature=0.0, max_new_tokens=4)
_AGREES = {torch.float32: 1e-3}  # largest difference in nats per token, by the model's type
_AGREES_ROUGHLY = 0.3


def without_autocast(policy: LanguageModelPolicy) -> LanguageModelPolicy:
    """The same model without autocast, so that any difference counts; a plain copy has no other way to compute."""
    model, computes = policy.model, policy.autocast if policy.is_copy else nullcontext
    return LanguageModelPolicy(model, policy.tokenizer, policy.eos_ids, lambda: model, autocast=computes)


def probe_prompts(policy: LanguageModelPolicy) -> list[Prompt]:
    """Four prompts of three lengths."""
    lengths = enumerate((2, 5, 3, 5))
    return [Prompt(str(k), "", tuple((7 * k + 13 * i) % policy.vocabulary for i in range(n))) for k, n in lengths]


def agrees(policy: LanguageModelPolicy, prompts: Sequence[Prompt], generations: Sequence[Generation]) -> bool:
    """Whether the generations' log-probabilities are the policy's."""
    known = {prompt.id: prompt for prompt in prompts}
    asked, tokens = [known[g.prompt_id] for g in generations], [g.tokens for g in generations]
    with torch.no_grad():
        batch = policy.collate(asked, tokens, [0.0] * len(asked))
        scored = policy.token_log_probs(batch)[batch.response_mask]
    drawn = torch.tensor([logp for g in generations for logp in g.logprobs], device=scored.device)
    limit = _AGREES.get(policy.model.get_output_embeddings().weight.dtype, _AGREES_ROUGHLY)
    return bool((scored - drawn).abs().max() < limit)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """Absolute differences over the tokens of one response: count, sum and maximum."""

    tokens: int
    total: float
    largest: float


def disagreement(sampled: Sequence[float], scored: Sequence[float]) -> Disagreement:
    """Compare two log-probabilities per token, in nats."""
    differences = np.abs(np.subtract(sampled, scored))
    return Disagreement(len(differences), float(differences.sum()), float(differences.max()))


def agreement_metrics(disagreements: Sequence[Disagreement]) -> dict[str, float]:
    """Mean and largest difference over all tokens."""
    tokens = sum(each.tokens for each in disagreements)
    return {
        "sampler/logp_error": math.fsum(each.total for each in disagreements) / tokens,
        "sampler/logp_error_max": max(each.largest for each in disagreements),
    }
