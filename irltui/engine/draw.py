"""Answers to prompts of any length: a long prompt shortens its own answer and no other's."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace

from irltui.api import Decoding, Generation, Prompt, Sampler
from irltui.lm.limits import limits_of
from irltui.lm.policy import LanguageModelPolicy


def context_of(policy: LanguageModelPolicy) -> int:
    """Tokens of prompt and answer together that a model reads."""
    return limits_of(policy.model.config.get_text_config()).positions or sys.maxsize


def draw(
    sampler: Sampler, prompts: Sequence[Prompt], decoding: Decoding, seed: int, context: int
) -> tuple[list[Generation], int]:
    """An answer to each prompt, in order, and how many may have fewer tokens than `decoding` says.

    Each prompt must leave room in the context for a token.
    """
    groups: dict[int, list[Prompt]] = {}
    for prompt in prompts:
        groups.setdefault(min(decoding.max_new_tokens, context - len(prompt.tokens)), []).append(prompt)
    drawn: dict[str, Generation] = {}
    for cap, some in groups.items():
        drawn |= {g.prompt_id: g for g in sampler.sample(some, replace(decoding, max_new_tokens=cap), seed)}
    shorter = len(prompts) - len(groups.get(decoding.max_new_tokens, ()))
    return [drawn[prompt.id] for prompt in prompts], shorter
