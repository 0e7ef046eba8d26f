"""The contract of a sampler."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from irltui.api import Decoding, Generation, Prompt, Sampler
from irltui.engine.guard import GuardedSampler, build_part
from irltui.engine.pairs import generation_problem
from irltui.lm.policy import score_all
from irltui.testing.case import CAP, SEED, TOLERANCE, Case, ends_when_told, require

_PLAIN = Decoding(max_new_tokens=CAP)
_SHORT = 3


def _sampler(case: Case) -> Sampler:
    sampler = build_part("sampler", case.spec, Sampler, case.context)
    sampler.refresh()
    return GuardedSampler(sampler, case.spec.kind)


def _drawn(
    case: Case, prompts: list[Prompt], decoding: Decoding = _PLAIN, seed: int = SEED, sampler: Sampler | None = None
) -> dict[str, Generation]:
    sampler = sampler or _sampler(case)
    return {g.prompt_id: g for g in sampler.sample(prompts, decoding, seed)}


def _off(case: Case, drawn: Mapping[str, Generation]) -> dict[str, float]:
    """Of each prompt the largest difference of a token's log-probability from the policy's own, in nats."""
    due = score_all(case.policy, case.prompts, [drawn[prompt.id].tokens for prompt in case.prompts], batch=4)
    return {
        prompt.id: max(abs(a - b) for a, b in zip(drawn[prompt.id].logprobs, values, strict=True))
        for prompt, values in zip(case.prompts, due, strict=True)
    }


def every_prompt_is_answered_once(case: Case) -> None:
    """Every prompt gets one complete generation; no prompts give none."""
    require(not _drawn(case, []), "it returns generations for no prompts")
    for generation in _drawn(case, case.prompts).values():
        problem = generation_problem(generation, case.policy, CAP)
        require(not problem, f"prompt {generation.prompt_id}: {problem}")


def the_cap_holds(case: Case) -> None:
    """No generation is longer than decoding.max_new_tokens."""
    short = replace(_PLAIN, max_new_tokens=_SHORT)
    for generation in _drawn(case, case.prompts, short).values():
        problem = generation_problem(generation, case.policy, _SHORT)
        require(not problem, f"prompt {generation.prompt_id}: {problem}")


def log_probs_are_the_policys(case: Case) -> None:
    """Log-probabilities are the policy's own at temperature 1, whatever the decoding."""
    for decoding in (_PLAIN, replace(_PLAIN, temperature=0.5, top_k=5)):
        for name, off in _off(case, _drawn(case, case.prompts, decoding)).items():
            require(off < TOLERANCE, f"prompt {name}: off by {off:.3g} nats ({decoding})")


def draws_follow_from_their_seed(case: Case) -> None:
    """The same seed samples the same tokens, another seed samples others."""
    first = _drawn(case, case.prompts)
    require(_drawn(case, case.prompts) == first, "the same seed samples other tokens: sample from prompt_seed(...)")
    other = _drawn(case, case.prompts, seed=SEED + 1)
    require(any(other[i].tokens != g.tokens for i, g in first.items()), "another seed samples the same tokens")


def neighbours_do_not_matter(case: Case) -> None:
    """A prompt's generation depends neither on the other prompts nor on their order."""
    first = _drawn(case, case.prompts)
    backwards = _drawn(case, case.prompts[::-1])
    alone = [_drawn(case, [prompt])[prompt.id] for prompt in case.prompts[:3]]
    for generation in (*backwards.values(), *alone):
        require(
            generation.tokens == first[generation.prompt_id].tokens,
            f"prompt {generation.prompt_id} gets another generation among other prompts: a resumed run would differ",
        )


def greedy_is_greedy(case: Case) -> None:
    """At temperature 0 the seed does not matter."""
    greedy = replace(_PLAIN, temperature=0.0)
    tokens = [{i: g.tokens for i, g in _drawn(case, case.prompts, greedy, seed).items()} for seed in (1, 2)]
    require(tokens[0] == tokens[1], "two seeds give different tokens at temperature 0")


def refresh_sees_new_weights(case: Case) -> None:
    """After `refresh` it samples from the current weights."""
    sampler = _sampler(case)
    _drawn(case, case.prompts, sampler=sampler)
    with torch.no_grad():
        for parameter in case.policy.parameters():
            parameter.mul_(0.9)
    case.policy.moved()
    sampler.refresh()
    off = max(_off(case, _drawn(case, case.prompts, sampler=sampler)).values())
    require(off < TOLERANCE, f"after refresh it still uses the old weights (off by {off:.3g} nats)")


def it_can_be_stopped(case: Case) -> None:
    """It calls `context.poll` while sampling, and an exception from there ends it."""
    ends_when_told(case, lambda: _drawn(case, case.prompts))


SAMPLER_CHECKS = (
    every_prompt_is_answered_once,
    the_cap_holds,
    log_probs_are_the_policys,
    draws_follow_from_their_seed,
    neighbours_do_not_matter,
    greedy_is_greedy,
    refresh_sees_new_weights,
    it_can_be_stopped,
)
