"""DFT on identical ids gives the loss and gradients of TRL's SFTTrainer with loss_type="dft" (stored by a script)."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from irltui.algorithm import learn
from irltui.api import Batch, Prompt
from irltui.lm.policy import LanguageModelPolicy
from irltui.objectives.dft import DftLoss
from support import tiny

REFERENCE = json.loads((Path(__file__).parent / "reference" / "dft.json").read_text(encoding="utf-8"))


def summary(gradient: torch.Tensor) -> list[float]:
    flat = gradient.double().flatten()
    index = torch.arange(len(flat), dtype=torch.float64)
    return [float(flat.norm()), float(flat @ torch.cos(index)), float(flat @ torch.sin(index))]


def test_loss_and_gradients_are_those_of_sft_trainer_with_dft() -> None:
    rows: list[dict[str, Any]] = REFERENCE["rows"]
    tokenizer = tiny.tokenizer()
    model = tiny.model(seed=0, vocabulary=len(tokenizer))
    policy = LanguageModelPolicy(model, tokenizer, frozenset({2}), lambda: model)
    prompts = [Prompt(str(i), "", tuple(row["prompt_ids"])) for i, row in enumerate(rows)]
    responses = [row["response_ids"] for row in rows]
    weight = torch.full((len(rows),), 1 / sum(map(len, responses)))  # by token
    batch = Batch(policy.collate(prompts, responses, [0.0] * len(rows)), weight, policy=policy)
    step = next(learn(DftLoss(), lambda t, k: [[batch]], T=1, K=1))
    step.loss.backward()
    assert float(step.loss.detach()) == pytest.approx(REFERENCE["loss"], abs=1e-6)
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    assert gradients.keys() == REFERENCE["gradients"].keys()
    for name, expected in REFERENCE["gradients"].items():
        assert summary(gradients[name]) == pytest.approx(expected, abs=1e-5, rel=1e-5), name


def test_the_anchor_adds_the_kl_to_the_start_model_at_every_token() -> None:
    """Against the formula in float64, gradients included."""
    tokenizer = tiny.tokenizer()
    model, start = (tiny.model(seed=seed, vocabulary=len(tokenizer)).double() for seed in (0, 1))
    policy = LanguageModelPolicy(model, tokenizer, frozenset({2}), lambda: start)
    prompts, responses = [Prompt("", "", (8, 9)), Prompt("", "", (20,))], [[11, 12, 2], [21, 2]]
    collated = policy.collate(prompts, responses, [0.0, 0.0])
    with policy.past() as initial, initial() as frozen:
        known = LanguageModelPolicy.log_distributions(frozen, collated).detach()
    batch = Batch(collated, torch.full((2,), 0.5), policy=policy)
    objective = DftLoss(0.3, SimpleNamespace(log_distributions=lambda _: known))
    found = objective.losses(batch)
    ours = torch.autograd.grad(found.sum(), list(model.parameters()), allow_unused=True)
    expected = torch.stack([_anchored(model, start, x.tokens, y) for x, y in zip(prompts, responses, strict=True)])
    theirs = torch.autograd.grad(expected.sum(), list(model.parameters()), allow_unused=True)
    assert torch.allclose(found.double(), expected, atol=1e-5)
    for mine, exact in zip(ours, theirs, strict=True):
        assert mine is None or exact is None or torch.allclose(mine, exact, atol=1e-5)


def _anchored(model: Any, start: Any, prompt: tuple[int, ...], response: list[int]) -> torch.Tensor:
    ids = torch.tensor([[*prompt, *response]])
    logp, logp_0 = (m(ids).logits[0, len(prompt) - 1 : -1].log_softmax(-1) for m in (model, start))
    own = logp[torch.arange(len(response)), torch.tensor(response)]
    return -(own.detach().exp() * own).sum() + 0.3 * (logp.exp() * (logp - logp_0.detach())).sum()
