"""Slots: the same generations as `generate` draws, from forward passes in which no row is idle."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model

from irltui.api import Decoding, Generation, Prompt, Sampler
from irltui.lm.copy import low_precision_copy
from irltui.lm.masks import UnsupportedModelError, mask_form
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.samplers import slots as slots_module
from irltui.samplers.slots import SlotSampler
from irltui.samplers.transformers import TransformersSampler
from support import tiny

BFLOAT16 = partial(torch.autocast, "cpu", torch.bfloat16)
PROMPTS = [Prompt(f"p{i}", "", tuple(8 + (i + 5 * j) % 40 for j in range(1 + i % 7))) for i in range(23)]
LONG = Decoding(max_new_tokens=30)


def policy_of(model: Any, **options: Any) -> LanguageModelPolicy:
    return LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2}), lambda: model, **options)


def slot_sampler(policy: LanguageModelPolicy, rows: int = 4) -> SlotSampler:
    return SlotSampler(policy, rows, lambda: None, pytest.fail)


def drawn(sampler: Sampler, prompts: list[Prompt] = PROMPTS, decoding: Decoding = LONG) -> dict[str, Generation]:
    return {g.prompt_id: g for g in sampler.sample(prompts, decoding, 0)}


@pytest.mark.parametrize("family", tiny.SIZES)
def test_the_tokens_are_those_of_generate(family: str) -> None:
    """Prompts of all lengths, answers longer than a sliding window, more prompts than slots."""
    policy = policy_of(tiny.model(family))
    expected, found = drawn(TransformersSampler(policy, 1, lambda: None)), drawn(slot_sampler(policy))
    assert {k: g.tokens for k, g in found.items()} == {k: g.tokens for k, g in expected.items()}
    assert {k: g.ended for k, g in found.items()} == {k: g.ended for k, g in expected.items()}
    for name, generation in found.items():
        assert generation.logprobs == pytest.approx(expected[name].logprobs, abs=1e-3)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_old_columns_are_dropped_when_the_cache_is_full(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of(tiny.model(family))
    expected = drawn(slot_sampler(policy))
    monkeypatch.setattr(slots_module, "SPARE", 1)
    monkeypatch.setattr(slots_module, "GROUPS", 100)
    dropped = []
    shift = slots_module.SlotCache.shift
    monkeypatch.setattr(slots_module.SlotCache, "shift", lambda cache, by: (dropped.append(by), shift(cache, by)))
    found = drawn(slot_sampler(policy, rows=3))
    assert len(dropped) > 1
    assert {k: g.tokens for k, g in found.items()} == {k: g.tokens for k, g in expected.items()}


def test_every_row_of_every_step_is_wanted() -> None:
    """A token is computed once for every token of a generation but its last, and prompts are hardly padded."""
    policy = policy_of(tiny.model())
    sampler = slot_sampler(policy)
    drawn(sampler, PROMPTS[:2])
    shapes: list[tuple[int, int]] = []
    policy.model.get_input_embeddings().register_forward_hook(lambda _, given, __: shapes.append(given[0].shape))
    generations = drawn(sampler, sorted(PROMPTS, key=lambda prompt: len(prompt.tokens)))
    prefill = sum(rows * length for rows, length in shapes if length > 1)
    single = sum(len(prompt.tokens) == 1 for prompt in PROMPTS)  # looks like a step
    steps = sum(rows for rows, length in shapes if length == 1) - single
    assert steps == sum(len(g.tokens) - 1 for g in generations.values())
    wanted = sum(len(prompt.tokens) for prompt in PROMPTS) - single
    assert wanted <= prefill <= slots_module.MOST_PADDING * wanted


def test_the_copy_computes_what_autocast_computes() -> None:
    model = tiny.model(vocabulary=55)
    batch = policy_of(model, autocast=BFLOAT16).collate(PROMPTS[:6], [(9, 10, 2)] * 6, [0.0] * 6)
    twin = low_precision_copy(model, torch.bfloat16)
    with torch.no_grad(), BFLOAT16():
        theirs = model(batch.input_ids, attention_mask=batch.attention_mask.long()).logits
        ours = twin(batch.input_ids, attention_mask=batch.attention_mask.long()).logits
    assert torch.equal(theirs, ours)
    assert twin.get_input_embeddings().weight is model.get_input_embeddings().weight


def test_an_adapter_takes_part_while_it_is_switched_on() -> None:
    adapted = get_peft_model(tiny.model(), LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False))
    policy = policy_of(adapted.eval(), autocast=BFLOAT16)
    found = drawn(slot_sampler(policy))
    scored = score_all(policy, PROMPTS, [found[p.id].tokens for p in PROMPTS], batch=4)
    with policy.initial() as base:
        other = score_all(base, PROMPTS, [found[p.id].tokens for p in PROMPTS], batch=4)
        plain = drawn(slot_sampler(base))
    assert {k: g.tokens for k, g in plain.items()} != {k: g.tokens for k, g in found.items()}
    ours = torch.tensor([logp for p in PROMPTS for logp in found[p.id].logprobs])
    theirs, without = (torch.tensor([logp for row in rows for logp in row]) for rows in (scored, other))
    assert (ours - theirs).abs().mean() < 0.05 < (ours - without).abs().mean()


def test_the_weights_as_they_are_now_are_drawn_from() -> None:
    policy = policy_of(tiny.model(), autocast=BFLOAT16)
    sampler = slot_sampler(policy)
    before = drawn(sampler)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.mul_(1.5)
    assert {k: g.tokens for k, g in drawn(sampler).items()} != {k: g.tokens for k, g in before.items()}


def test_kernels_and_layers_that_no_mask_rules_are_refused() -> None:
    model = tiny.model()
    model.config._attn_implementation = "unheard_of"
    with pytest.raises(UnsupportedModelError, match="'unheard_of' takes no mask"):
        mask_form(model)
    model = tiny.model("gemma2")
    model.config.layer_types = ["full_attention", "linear_attention"]
    with pytest.raises(UnsupportedModelError, match="layers of linear_attention"):
        mask_form(model)


def test_a_model_that_ignores_masks_is_drawn_from_by_generate_with_one_notice(monkeypatch: pytest.MonkeyPatch) -> None:
    policy = policy_of(tiny.model())
    form = mask_form(policy.model)
    monkeypatch.setattr(type(form), "masks", lambda _, keep, __: torch.ones_like(keep[:, None]))
    told: list[str] = []
    sampler = SlotSampler(policy, 4, lambda: None, told.append)
    expected = drawn(TransformersSampler(policy, 4, lambda: None))
    assert {k: g.tokens for k, g in drawn(sampler).items()} == {k: g.tokens for k, g in expected.items()}
    drawn(sampler)
    assert len(told) == 1
    assert "other probabilities in slots. Using transformers' generate" in told[0]
