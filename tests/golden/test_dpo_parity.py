"""The sigmoid link on identical ids gives the loss and the gradients of TRL's DPOTrainer (stored by a script)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from irltui.algorithm import learn, link
from irltui.api import Batch, Prompt
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.objectives.gap import GapLoss
from irltui.rewards.implicit import ImplicitReward
from support import tiny

REFERENCE = json.loads((Path(__file__).parent / "reference" / "dpo.json").read_text(encoding="utf-8"))


def summary(gradient: torch.Tensor) -> list[float]:
    flat = gradient.double().flatten()
    index = torch.arange(len(flat), dtype=torch.float64)
    return [float(flat.norm()), float(flat @ torch.cos(index)), float(flat @ torch.sin(index))]


def policy(seed: int) -> LanguageModelPolicy:
    tokenizer = tiny.tokenizer()
    model = tiny.model(seed=seed, vocabulary=len(tokenizer))
    return LanguageModelPolicy(model, tokenizer, frozenset({2}), lambda: model)


def test_loss_and_gradients_are_those_of_dpo_trainer() -> None:
    rows: list[dict[str, Any]] = REFERENCE["rows"]
    prompts = [Prompt(str(i), "", tuple(row["prompt_ids"])) for i, row in enumerate(rows)] * 2
    responses = [row["chosen_ids"] for row in rows] + [row["rejected_ids"] for row in rows]
    pi, reference = policy(0), policy(1)
    logp_ref = [sum(scores) for scores in score_all(reference, prompts, responses, batch=4)]
    batch = pi.collate(prompts, responses, logp_ref)
    reward = ImplicitReward(pi, REFERENCE["beta"])
    pairs = Batch(batch, torch.full((len(rows),), 1 / len(rows)), reward=reward)
    step = next(learn(GapLoss(link("sigmoid")), lambda t, k: [[pairs]], T=1, K=1))
    step.loss.backward()
    assert float(step.loss.detach()) == pytest.approx(REFERENCE["loss"], abs=1e-5)
    gradients = {name: p.grad for name, p in pi.model.named_parameters() if p.grad is not None}
    assert gradients.keys() == REFERENCE["gradients"].keys()
    for name, expected in REFERENCE["gradients"].items():
        assert summary(gradients[name]) == pytest.approx(expected, abs=1e-5, rel=1e-5), name
