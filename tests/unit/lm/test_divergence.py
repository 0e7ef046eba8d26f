"""KL per token: the whole vocabulary at every position, whatever the size of a pass, from any earlier state."""

from __future__ import annotations

import peft
import pytest
import torch

from irltui.api import Prompt
from irltui.lm import divergence
from irltui.lm.divergence import kl_per_token
from irltui.lm.policy import LanguageModelPolicy
from support import tiny

ROWS = [((8, 9), (10, 11, 12, 2)), ((13,), (14, 2)), ((15, 16, 17), tuple(range(20, 50)))]
PROMPTS = [Prompt(f"p{i}", "", prompt) for i, (prompt, _) in enumerate(ROWS)]
RESPONSES = [response for _, response in ROWS]


def policy(seed: int, family: str = "llama") -> LanguageModelPolicy:
    model = tiny.model(family, seed=seed)
    return LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2}), lambda: tiny.model(family, seed=9))


def by_hand(p: torch.nn.Module, q: torch.nn.Module) -> float:
    total, tokens = 0.0, 0
    for prompt, response in ROWS:
        ids = torch.tensor([[*prompt, *response]])
        with torch.no_grad():
            log_p, log_q = (m(ids).logits[0, len(prompt) - 1 : -1].double().log_softmax(-1) for m in (p, q))
        total += float((log_p.exp() * (log_p - log_q)).sum())
        tokens += len(response)
    return total / tokens


def measured(ours: LanguageModelPolicy, past: divergence.Past, batch: int = 2) -> float:
    return kl_per_token(ours, past, PROMPTS, RESPONSES, batch=batch)


@pytest.mark.parametrize("most", [1, 100, 300, 1 << 26])
@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_it_is_exact_over_the_vocabulary_and_passes_only_bound_memory(
    monkeypatch: pytest.MonkeyPatch, family: str, most: int
) -> None:
    ours = policy(0, family)
    sizes: list[int] = []
    true = LanguageModelPolicy.log_distributions

    def watched(self: LanguageModelPolicy, *arguments: torch.Tensor) -> torch.Tensor:
        found = true(self, *arguments)
        sizes.append(found.numel())
        return found

    monkeypatch.setattr(LanguageModelPolicy, "log_distributions", watched)
    monkeypatch.setattr(divergence, "MOST_LOGITS", most)
    with ours.past() as initial:
        found = measured(ours, initial)
    assert found == pytest.approx(by_hand(ours.model, tiny.model(family, seed=9)), rel=1e-5)
    assert max(sizes) <= max(most, ours.vocabulary)
    assert sum(sizes) == 2 * 36 * ours.vocabulary


def test_it_is_zero_between_a_policy_and_itself() -> None:
    ours = policy(9)
    with ours.past() as initial:
        assert measured(ours, initial) == 0


@pytest.mark.parametrize("adapted", [False, True])
def test_the_past_is_the_policy_with_earlier_weights_and_afterwards_it_is_as_it_was(adapted: bool) -> None:
    ours = policy(9)
    if adapted:
        torch.manual_seed(0)
        made = peft.LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
        ours = LanguageModelPolicy(
            peft.get_peft_model(ours.model, made), tiny.tokenizer(), frozenset({2}), lambda: pytest.fail("not loaded")
        )
    early = {name: p.detach().clone() for name, p in ours.trained().items()}
    with torch.no_grad():
        for p in ours.trained().values():
            p.add_(torch.randn_like(p) * 0.1)
    late = {name: p.detach().clone() for name, p in ours.trained().items()}
    with ours.past(early) as began, ours.past() as initial:
        from_early, from_initial = measured(ours, began), measured(ours, initial)
        with began() as then:
            assert all(
                torch.equal(p, early[name]) for name, p in dict(then.model.named_parameters()).items() if name in early
            )
    assert all(torch.equal(p, late[name]) for name, p in ours.trained().items())
    assert from_early > 0
    assert (from_initial == pytest.approx(from_early)) == (not adapted)  # without adapters both are seed 9
