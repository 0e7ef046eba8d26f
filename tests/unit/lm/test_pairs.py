"""Pairs that share a row compute what rows of their own compute, gradient included."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from irltui.api import Prompt, Responses
from irltui.lm import logprobs
from irltui.lm.logprobs import token_log_probs
from irltui.lm.masks import mask_form
from irltui.lm.pairs import SharedPrompts
from irltui.lm.policy import LanguageModelPolicy, score_all
from support import tiny

PROMPTS = [Prompt(str(i), "", tuple(8 + (i + 3 * j) % 40 for j in range(12 + i))) for i in range(4)]
FIRST: list[tuple[int, ...]] = [(9, 10, 11, 2), (12, 2), (2,), (13, 14, 15, 16, 17, 18)]
SECOND: list[tuple[int, ...]] = [(20, 2), (21, 22, 23, 24, 2), (25, 26), (2,)]


def policy(model: Any, shared: SharedPrompts | None = None) -> LanguageModelPolicy:
    return LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2}), lambda: model, shared=shared)


def sharing() -> SharedPrompts:
    return SharedPrompts(pytest.fail)


def batch(pi: LanguageModelPolicy) -> Responses:
    return pi.collate(PROMPTS * 2, FIRST + SECOND, [0.0] * 8)


def gradient(model: Any, logp: Tensor) -> Tensor:
    weight = torch.arange(1, 1 + logp.numel(), dtype=logp.dtype).view_as(logp) / logp.numel()
    model.zero_grad()
    (weight * logp).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def exact(family: str) -> Any:
    """In float64, with a model whose masks have the type it computes in."""
    return copy.deepcopy(tiny.model(family)).double()


@pytest.mark.parametrize("family", tiny.SIZES)
def test_log_probs_and_gradient_are_those_of_separate_rows(family: str) -> None:
    model = exact(family)
    responses = batch(policy(model))
    rows = sharing().rows(model, responses)
    assert rows is not None
    assert rows.inputs["input_ids"].shape[0] == 4
    head = model.get_output_embeddings()
    separate = token_log_probs(model, head, responses)
    expected = gradient(model, separate)
    shared = token_log_probs(model, head, responses, rows)
    assert torch.allclose(shared, separate, atol=2e-6, rtol=0)
    assert torch.allclose(gradient(model, shared), expected, atol=2e-6, rtol=1e-5)


def test_batches_that_are_no_pairs_keep_rows_of_their_own() -> None:
    pi = policy(tiny.model())
    shared = sharing()
    other = [Prompt("x", "", (*prompt.tokens[:-1], 49)) for prompt in PROMPTS]
    assert shared.rows(pi.model, pi.collate(PROMPTS[:3], FIRST[:3], [0.0] * 3)) is None
    assert shared.rows(pi.model, pi.collate([*PROMPTS, *other], FIRST + SECOND, [0.0] * 8)) is None
    brief = [Prompt("x", "", (8,))] * 2
    assert shared.rows(pi.model, pi.collate(brief, [(9,) * 20, (10,) * 20], [0.0] * 2)) is None  # it wins nothing


def test_scores_of_pairs_come_back_in_their_places_whatever_the_batch() -> None:
    model = tiny.model()
    expected = score_all(policy(model), PROMPTS * 2, FIRST + SECOND, batch=3)
    for size in (1, 2, 6, 16):
        found = score_all(policy(model, sharing()), PROMPTS * 2, FIRST + SECOND, batch=size, pairs=True)
        assert [len(row) for row in found] == [len(row) for row in expected]
        for ours, theirs in zip(found, expected, strict=True):
            assert ours == pytest.approx(theirs, abs=1e-4)


def test_the_prompt_of_a_pair_is_computed_once() -> None:
    pi = policy(tiny.model(), sharing())
    responses = batch(pi)
    pi.log_probs(responses)  # tried once
    pi.moved()
    tokens: list[int] = []
    pi.model.get_input_embeddings().register_forward_hook(lambda _, given, __: tokens.append(given[0].numel()))
    heads: list[int] = []
    pi.model.get_output_embeddings().register_forward_hook(lambda _, __, made: heads.append(made.shape[0]))
    pi.log_probs(responses)
    widest = max(len(x.tokens) + len(y) + len(z) for x, y, z in zip(PROMPTS, FIRST, SECOND, strict=True))
    assert tokens == [4 * widest]
    assert heads == [sum(map(len, FIRST + SECOND))]


def test_a_model_that_ignores_masks_is_told_once_and_computed_row_by_row(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model()
    monkeypatch.setattr(type(mask_form(model)), "masks", lambda _, keep, __: torch.ones_like(keep[:, None]))
    told: list[str] = []
    pi = policy(model, SharedPrompts(told.append))
    expected = policy(model).log_probs(batch(pi))
    assert torch.equal(pi.log_probs(batch(pi)), expected)
    assert torch.equal(pi.log_probs(batch(pi)), expected)
    assert len(told) == 1
    assert "computed twice" in told[0]


@pytest.mark.parametrize("family", ["llama", "gemma2", "opt"])
def test_logits_that_are_too_many_are_computed_in_chunks_to_the_same_result(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = exact(family)
    responses, head = batch(policy(model)), model.get_output_embeddings()
    whole = token_log_probs(model, head, responses)
    expected = gradient(model, whole)
    made: list[int] = []
    head.register_forward_hook(lambda _, __, logits: made.append(logits.numel()))
    monkeypatch.setattr(logprobs, "MOST_LOGITS", 12 * 55)
    chunked = token_log_probs(model, head, responses)
    assert torch.allclose(chunked, whole, atol=2e-6, rtol=0)
    assert torch.allclose(gradient(model, chunked), expected, atol=2e-6, rtol=1e-5)
    assert max(made) == 3 * 55


def test_a_model_that_does_something_else_to_its_logits_is_not_cut_into_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny.model("gemma2")
    responses, head = batch(policy(model)), model.get_output_embeddings()
    whole = token_log_probs(model, head, responses)
    plain = model.forward

    def doubled(**given: Any) -> Any:
        output = plain(**given)
        output.logits = 2 * output.logits
        return output

    monkeypatch.setattr(model, "forward", doubled)
    doubled_whole = token_log_probs(model, head, responses)
    monkeypatch.setattr(logprobs, "MOST_LOGITS", 12 * 55)
    assert torch.equal(token_log_probs(model, head, responses), doubled_whole)
    assert not torch.allclose(doubled_whole, whole)


def test_dropout_of_adapters_is_off_again_once_the_policy_has_moved() -> None:
    """Whatever is drawn next is drawn from the policy, not from one with holes."""
    adapted = get_peft_model(tiny.model(), LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.5))
    pi = policy(adapted.eval(), sharing())
    pi.log_probs(batch(pi)).sum().backward()
    dropouts = [m for name, m in adapted.named_modules() if "lora_dropout" in name and isinstance(m, nn.Dropout)]
    assert all(m.training for m in dropouts)  # activations may have to be computed again, alike
    pi.moved()
    assert not any(m.training for m in dropouts)


def test_trying_a_model_in_the_midst_of_a_step_meets_no_dropout_and_leaves_it_on() -> None:
    adapted = get_peft_model(
        tiny.model(), LoraConfig(r=4, target_modules="all-linear", lora_dropout=0.9, init_lora_weights=False)
    )
    adapted.train()
    before = torch.get_rng_state()
    assert sharing().rows(adapted, batch(policy(adapted))) is not None
    assert torch.equal(torch.get_rng_state(), before)
    assert all(m.training for m in adapted.modules() if isinstance(m, nn.ModuleDict))
