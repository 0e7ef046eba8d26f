"""F1 on a transformer whose responses can all be listed: the first inner step is (beta/2) x the SFT gradient."""

from __future__ import annotations

import itertools

import torch

from irltui.algorithm import learn, link
from irltui.api import Batch, Prompt
from irltui.lm.policy import LanguageModelPolicy
from irltui.objectives.gap import GapLoss
from irltui.objectives.sft import NegativeLogLikelihood
from irltui.rewards.implicit import ImplicitReward
from support import tiny

BETA = 0.4
RESPONSES = [(2,), *((a, b) for a, b in itertools.product(range(6), repeat=2) if a != 2)]  # up to two tokens


def flat(policy: LanguageModelPolicy) -> torch.Tensor:
    found = torch.cat([p.grad.flatten() for p in policy.parameters() if p.grad is not None])
    policy.model.zero_grad()
    policy.moved()
    return found


def test_the_first_inner_step_is_half_beta_times_the_sft_gradient() -> None:
    model = tiny.model(vocabulary=6).double()
    policy = LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2}), lambda: model)
    prompt = Prompt("", "", (3, 4))
    count = len(RESPONSES)
    torch.manual_seed(1)
    expert = torch.softmax(torch.randn(count, dtype=torch.float64), 0)
    every = policy.collate([prompt] * count, RESPONSES, [0.0] * count)
    with torch.no_grad():
        logp = policy.log_probs(every).double()
    assert abs(float(logp.exp().sum()) - 1) < 1e-6

    y, y_tilde = (grid.reshape(-1) for grid in torch.meshgrid(torch.arange(count), torch.arange(count), indexing="ij"))
    both = [RESPONSES[i] for i in (*y.tolist(), *y_tilde.tolist())]
    reference = [float(logp[i]) for i in (*y.tolist(), *y_tilde.tolist())]
    weight = expert[y] * logp.exp()[y_tilde]
    responses = policy.collate([prompt] * len(both), both, reference)
    pairs = Batch(responses, weight, reward=ImplicitReward(policy, BETA))
    next(learn(GapLoss(link("sigmoid")), lambda t, k: [[pairs]], T=1, K=1)).loss.backward()
    first_step = flat(policy)

    demonstrated = Batch(every, expert, policy=policy)
    next(learn(NegativeLogLikelihood(), lambda t, k: [[demonstrated]], T=1, K=1)).loss.backward()
    sft_gradient = flat(policy)
    assert torch.allclose(first_step, BETA / 2 * sft_gradient, atol=2e-6)
    assert float(sft_gradient.norm()) > 0.1
