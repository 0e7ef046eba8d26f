"""The strength of a reward at decoding: what is drawn is the tilted distribution, token by token, and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from irltui.algorithm import Guidance
from irltui.api import Decoding, Generation, Prompt, prompt_seed
from irltui.config.schema import AdapterSection
from irltui.lm.load import add_adapter
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.samplers.draw import inverse_cdf
from irltui.samplers.guided import GuidedSampler
from support import tiny

PROMPTS = [Prompt(f"p{i}", "", tuple(range(8, 10 + i % 4))) for i in range(40)]


def by_hand(policy: Tensor, start: Tensor, strength: float, plausibility: float) -> Tensor:
    """pi_0 (pi / pi_0)^w over the plausible tokens, one token after the other, in float64."""
    ours, theirs = policy.double().softmax(-1), start.double().softmax(-1)
    weights = [
        float(q * (p / q) ** strength) if p >= plausibility * ours.max() else 0.0
        for p, q in zip(ours, theirs, strict=True)
    ]
    return torch.tensor(weights, dtype=torch.float64) / math.fsum(weights)


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("plausibility", [0.0, 0.05, 0.5])
def test_the_guided_distribution_is_the_tilted_one_to_float64(strength: float, plausibility: float) -> None:
    torch.manual_seed(0)
    policy, start = torch.randn(2, 50, dtype=torch.float64) * 2
    found = Guidance(strength, plausibility).logits(policy, start).softmax(-1)
    assert torch.allclose(found, by_hand(policy, start, strength, plausibility), atol=1e-14)


def test_a_token_that_either_model_forbids_breaks_nothing() -> None:
    policy, start = torch.tensor([0.0, -math.inf, 0.0]), torch.tensor([-math.inf, -math.inf, 0.0])
    found = Guidance(3.0, 0.0).logits(policy, start)
    assert found[1] == -math.inf
    assert bool(found[0].isfinite())


def pair(family: str, *, adapted: bool = False) -> LanguageModelPolicy:
    """A policy and the other model that it began as."""
    tokenizer = tiny.tokenizer()
    dtype = torch.float32 if family == "gemma2" else torch.float64  # transformers pads gemma2 with NaN in float64
    start = tiny.model(family, vocabulary=len(tokenizer)).to(dtype)
    if not adapted:
        model = tiny.model(family, vocabulary=len(tokenizer), seed=1).to(dtype)
        return LanguageModelPolicy(model, tokenizer, frozenset({2}), lambda: start)
    model = add_adapter(start, AdapterSection(kind="lora", rank=4), 0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(1))
    return LanguageModelPolicy(model.double(), tokenizer, frozenset({2}), lambda: pytest.fail("a second model"))


def drawn(policy: LanguageModelPolicy, guidance: Guidance, **options: Any) -> dict[str, Generation]:
    sampler = GuidedSampler(policy, guidance, lambda: None)
    return {g.prompt_id: g for g in sampler.sample(PROMPTS, Decoding(**{"max_new_tokens": 6, **options}), 0)}


def next_logits(model: Any, tokens: tuple[int, ...]) -> Tensor:
    with torch.no_grad():
        return model(torch.tensor([tokens])).logits[0, -1]


@pytest.mark.parametrize(("family", "adapted"), [*((family, False) for family in tiny.SIZES), ("llama", True)])
def test_every_token_is_the_one_that_its_prompts_own_stream_draws(family: str, adapted: bool) -> None:
    """Against whole forward passes of single rows: neither caches, padding, neighbours nor a shared pass matter."""
    policy, guidance = pair(family, adapted=adapted), Guidance(3.0, 0.05)
    found = drawn(policy, guidance)
    for prompt in PROMPTS[::5]:
        stream, tokens = np.random.default_rng(prompt_seed(0, prompt.id)), prompt.tokens
        for token in found[prompt.id].tokens:
            with policy.initial() as start:
                theirs = next_logits(start.model, tokens)
            probabilities = by_hand(next_logits(policy.model, tokens), theirs, 3.0, 0.05)
            assert token == int(inverse_cdf(probabilities.log()[None], [stream.random()])[0])
            tokens = (*tokens, token)


def test_log_probs_are_the_policys_own_whatever_the_strength() -> None:
    policy = pair("llama")
    found = drawn(policy, Guidance(3.0, 0.05), temperature=0.7)
    scored = score_all(policy, PROMPTS, [found[prompt.id].tokens for prompt in PROMPTS], batch=3)
    for prompt, scores in zip(PROMPTS, scored, strict=True):
        assert list(found[prompt.id].logprobs) == pytest.approx(scores, abs=1e-4)


def test_strength_0_draws_from_the_start_model_and_greedy_takes_the_best() -> None:
    policy = pair("llama")
    found = drawn(policy, Guidance(0.0, 0.0), temperature=0.0, max_new_tokens=1)
    with policy.initial() as start:
        for prompt in PROMPTS[:4]:
            assert found[prompt.id].tokens == (int(next_logits(start.model, prompt.tokens).argmax()),)
