"""Each built-in sampler draws from the policy itself, prompt by prompt, and keeps what it drew."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from transformers import GenerationConfig, LogitsProcessorList, RwkvConfig, RwkvForCausalLM

from irltui.api import Decoding, Generation, Prompt, Sampler
from irltui.errors import ModelError
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.samplers.slots import SlotSampler
from irltui.samplers.transformers import TransformersSampler
from support import tiny

PROMPTS = [Prompt(f"p{i}", "", tuple(range(8, 10 + i % 4))) for i in range(10)]


Make = Callable[..., tuple[LanguageModelPolicy, Sampler]]


def by_generate(policy: LanguageModelPolicy, rows: int, poll: Callable[[], None]) -> Sampler:
    return TransformersSampler(policy, rows, poll)


def by_slots(policy: LanguageModelPolicy, rows: int, poll: Callable[[], None]) -> Sampler:
    return SlotSampler(policy, rows, poll, pytest.fail)


@pytest.fixture(params=[by_generate, by_slots], ids=["transformers", "slots"])
def make(request: pytest.FixtureRequest) -> Make:
    """A tiny policy and its sampler."""

    def made(
        *,
        eos: frozenset[int] = frozenset({2}),
        rows: int = 4,
        family: str = "llama",
        poll: Callable[[], None] = lambda: None,
        sizes: dict[str, Any] | None = None,
        **options: Any,
    ) -> tuple[LanguageModelPolicy, Sampler]:
        tokenizer = tiny.tokenizer(**options)
        model = tiny.model(family, **{"vocabulary": len(tokenizer), **(sizes or {})})
        policy = LanguageModelPolicy(model, tokenizer, eos, lambda: model)
        return policy, request.param(policy, rows, poll)

    return made


def draw(sampler: Sampler, prompts: list[Prompt], seed: int = 0, **decoding: Any) -> dict[str, Generation]:
    return {g.prompt_id: g for g in sampler.sample(prompts, Decoding(**{"max_new_tokens": 6, **decoding}), seed)}


@pytest.mark.parametrize("family", tiny.SIZES)
def test_log_probs_are_those_of_the_policy_on_the_same_ids(make: Make, family: str) -> None:
    policy, sampler = make(family=family)
    drawn = [draw(sampler, PROMPTS)[prompt.id] for prompt in PROMPTS]
    scored = score_all(policy, PROMPTS, [g.tokens for g in drawn], batch=3)
    for generation, scores in zip(drawn, scored, strict=True):
        assert list(generation.logprobs) == pytest.approx(scores, abs=5e-4)


def test_a_prompts_generation_depends_on_its_own_seed_alone(make: Make) -> None:
    _, sampler = make()
    together = draw(sampler, PROMPTS)
    apart = {prompt.id: draw(sampler, [prompt])[prompt.id] for prompt in reversed(PROMPTS)}
    assert {k: g.tokens for k, g in together.items()} == {k: g.tokens for k, g in apart.items()}


def test_seeds_differ_between_prompts_and_iterations(make: Make) -> None:
    _, sampler = make()
    twins = [Prompt("a", "", (8, 9)), Prompt("b", "", (8, 9))]
    first, second = draw(sampler, twins, seed=0), draw(sampler, twins, seed=1)
    assert len({first["a"].tokens, first["b"].tokens, second["a"].tokens, second["b"].tokens}) == 4


@pytest.mark.parametrize("pad", ["<|pad|>", "<|end|>"])
def test_ended_means_that_an_end_token_was_drawn_and_nothing_follows_it(make: Make, pad: str) -> None:
    """Hazards 3 and 4: filling never leaks in, and the length cap makes no end."""
    eos = frozenset({2, 20, 21, 22})
    _, sampler = make(eos=eos, pad=pad)
    drawn = draw(sampler, [Prompt(f"q{i}", "", (8, 9)) for i in range(60)])
    assert {g.ended for g in drawn.values()} == {True, False}
    for generation in drawn.values():
        assert generation.ended == (generation.tokens[-1] in eos)
        assert not eos & set(generation.tokens[:-1])
        assert generation.ended or len(generation.tokens) == 6
        assert len(generation.tokens) == len(generation.logprobs)


def test_the_models_generation_config_takes_no_part(make: Make) -> None:
    """Hazard 6: a model may ship with greedy-like settings; y~ ~ pi is what is meant."""
    policy, sampler = make()
    expected = draw(sampler, PROMPTS)
    theirs = GenerationConfig(
        do_sample=True, temperature=0.01, top_k=1, top_p=0.1, repetition_penalty=5.0, eos_token_id=30, max_length=3
    )
    policy.model.generation_config = theirs
    assert draw(sampler, PROMPTS) == expected
    assert policy.model.generation_config is theirs


def test_greedy_top_k_and_top_p_draw_what_they_say_and_keep_the_policys_own_log_probs(make: Make) -> None:
    policy, sampler = make()
    greedy = draw(sampler, PROMPTS, temperature=0.0)
    for change in ({"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}):
        assert {k: g.tokens for k, g in draw(sampler, PROMPTS, **change).items()} == {
            k: g.tokens for k, g in greedy.items()
        }
    scored = score_all(policy, PROMPTS, [greedy[p.id].tokens for p in PROMPTS], batch=4)
    for prompt, scores in zip(PROMPTS, scored, strict=True):
        assert list(greedy[prompt.id].logprobs) == pytest.approx(scores, abs=5e-4)


def test_what_is_drawn_is_distributed_as_the_policy_says(make: Make) -> None:
    """Chi-square over every response of up to two tokens from a model with six tokens."""
    policy, sampler = make(rows=500, sizes={"vocabulary": 6, "scale": 0.15})
    prompt, count = (3, 4), 4000
    drawn = draw(sampler, [Prompt(str(i), "", prompt) for i in range(count)], max_new_tokens=2)
    observed = Counter(generation.tokens for generation in drawn.values())
    responses = [(2,), *((a, b) for a, b in itertools.product(range(6), repeat=2) if a != 2)]
    scores = score_all(policy, [Prompt("", "", prompt)] * len(responses), responses, batch=8)
    expected = {y: count * math.exp(sum(row)) for y, row in zip(responses, scores, strict=True)}
    assert sum(expected.values()) == pytest.approx(count, rel=1e-4)
    assert set(observed) <= set(expected)
    chi_square = sum((observed[y] - e) ** 2 / e for y, e in expected.items())
    freedom = len(responses) - 1
    # Wilson-Hilferty: chi-square's cube root is nearly normal; 3.09 is the one-sided 0.1 % point.
    bound = freedom * (1 - 2 / (9 * freedom) + 3.09 * math.sqrt(2 / (9 * freedom))) ** 3
    assert chi_square < bound


def test_sampling_can_be_interrupted_between_tokens(make: Make) -> None:
    calls: list[int] = []

    def poll() -> None:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt

    _, sampler = make(poll=poll)
    with pytest.raises(KeyboardInterrupt):
        draw(sampler, PROMPTS)
    assert len(calls) == 3


def test_sampling_leaves_no_gradient_and_no_trace_in_the_global_random_stream(make: Make) -> None:
    policy, sampler = make()
    before = torch.get_rng_state()
    draw(sampler, PROMPTS)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(parameter.grad is None for parameter in policy.parameters())


def recurrent() -> tuple[LanguageModelPolicy, list[str]]:
    """A policy whose state runs through padding, and what is told of it."""
    config = RwkvConfig(vocab_size=55, hidden_size=32, intermediate_size=64, num_hidden_layers=2, rescale_every=0)
    torch.manual_seed(0)
    model = RwkvForCausalLM(config).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2}), lambda: model), []


@pytest.mark.parametrize("way", [TransformersSampler, SlotSampler])
def test_a_model_whose_rows_change_each_other_is_sampled_in_smaller_batches(way: Callable[..., Sampler]) -> None:
    policy, told = recurrent()
    drawn = draw(way(policy, 4, lambda: None, told.append), PROMPTS)
    by_id = {prompt.id: prompt for prompt in PROMPTS}
    scored = score_all(policy, [by_id[i] for i in drawn], [g.tokens for g in drawn.values()], batch=1)
    for generation, logps in zip(drawn.values(), scored, strict=True):
        assert generation.logprobs == pytest.approx(logps, abs=1e-4)
    assert sum("padding changes probabilities of RwkvForCausalLM" in text for text in told) == 1


def test_a_model_whose_generate_is_another_policy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    policy, _ = recurrent()
    monkeypatch.setattr(policy.model, "generate", partial(_warmer, policy.model.generate))
    with pytest.raises(ModelError, match="other probabilities than a forward pass"):
        draw(TransformersSampler(policy, 4, lambda: None), PROMPTS)


def _warmer(generate: Callable[..., Any], **options: Any) -> Any:
    """As by a cache that does not work."""
    kept = options["logits_processor"][0]
    options["logits_processor"] = LogitsProcessorList([lambda ids, scores: kept(ids, scores * 0.5)])
    return generate(**options)
