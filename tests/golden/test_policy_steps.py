"""RFT's lower level on a transformer whose responses can all be listed: the policy steps against exact expectations."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from irltui.algorithm import boltzmann_weights, optimal_policy, regularised_return, rloo_advantage
from irltui.api import BuildContext, Decoding, Generation, LowerLevel, PolicyUpdate, Prompt, Responses, Reward
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.samplers.transformers import TransformersSampler
from irltui.updates.boltzmann import BoltzmannUpdate
from irltui.updates.rloo import RlooUpdate
from support import tiny

BETA = 0.7
VOCABULARY, CAP = 6, 2
RESPONSES = [(2,), *((a, b) for a, b in itertools.product(range(VOCABULARY), repeat=CAP) if a != 2)]
PROMPT = Prompt("x", "", (3, 4))
PLACE = {response: i for i, response in enumerate(RESPONSES)}
REWARD = torch.randn(len(RESPONSES), generator=torch.Generator().manual_seed(5), dtype=torch.float64)


class TabularReward(Reward):
    """A number for each response that there is."""

    def score(self, responses: Responses) -> Tensor:
        rows = zip(responses.input_ids, responses.response_mask, strict=True)
        return REWARD[[PLACE[tuple(ids[mask].tolist())] for ids, mask in rows]].float()

    def parameters(self) -> Iterator[nn.Parameter]:
        return iter(())


@dataclass
class InitialModel:
    """pi_ref: another tiny model, as `irltui.api.Reference`."""

    policy: LanguageModelPolicy
    decoding: Decoding

    def log_probs(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]]) -> list[float]:
        return [sum(row) for row in score_all(self.policy, prompts, responses, batch=512)]

    def sample(self, prompts: Sequence[Prompt], seed: int) -> Iterator[Generation]:
        return TransformersSampler(self.policy, 512, lambda: None).sample(prompts, self.decoding, seed)


@dataclass
class Level:
    """Everything a policy step needs, and what exact expectations need."""

    policy: LanguageModelPolicy
    reference: InitialModel
    context: BuildContext

    def losses(self, update: PolicyUpdate, prompts: Sequence[Prompt], t: int = 0) -> Iterator[Tensor]:
        """Whole steps' losses."""
        total = torch.zeros(())
        for step in update.losses(TabularReward(), TransformersSampler(self.policy, 512, lambda: None), prompts, t, 0):
            total = total + step.loss
            if step.last:
                yield total
                self.policy.moved()
                total = torch.zeros(())

    def logp(self, policy: LanguageModelPolicy) -> Tensor:
        count = len(RESPONSES)
        return policy.log_probs(policy.collate([PROMPT] * count, RESPONSES, [0.0] * count)).double()

    def gradient(self, loss: Tensor) -> Tensor:
        parameters = list(self.policy.parameters())
        found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
        return torch.cat([g.flatten() for g in found]).double()


@pytest.fixture
def level(tmp_path: Path) -> Level:
    def make(seed: int) -> LanguageModelPolicy:
        model = tiny.model(vocabulary=VOCABULARY, seed=seed)
        return LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2}), lambda: model)

    policy, decoding = make(0), Decoding(max_new_tokens=CAP)
    reference = InitialModel(make(1), decoding)
    lower = LowerLevel(BETA, reference, tmp_path)
    return Level(policy, reference, BuildContext(policy, seed=11, decoding=decoding, batch=2048, lower=lower))


def copies(count: int) -> list[Prompt]:
    return [replace(PROMPT, id=f"x{i}") for i in range(count)]


def objective(level: Level) -> Tensor:
    """E r - beta KL(pi || pi_ref), exactly."""
    logp, logp_ref = level.logp(level.policy), level.logp(level.reference.policy).detach()
    return (logp.exp() * (REWARD - BETA * (logp - logp_ref))).sum()


def test_the_expected_leave_one_out_gradient_is_the_objective_s(level: Level) -> None:
    logp, logp_ref = level.logp(level.policy), level.logp(level.reference.policy).detach()
    first, second = (g.reshape(-1) for g in torch.meshgrid(*[torch.arange(len(RESPONSES))] * 2, indexing="ij"))
    group = torch.stack([first, second], dim=-1)  # every draw of two
    chance = logp.detach().exp()[group].prod(-1)
    returns = regularised_return(REWARD, logp.detach(), logp_ref, BETA)
    advantage = rloo_advantage(returns[group])
    surrogate = (chance * (advantage * logp[group]).mean(-1)).sum()
    ours, exact = level.gradient(surrogate), level.gradient(objective(level))
    assert torch.allclose(ours, exact, atol=1e-5 * float(exact.abs().max()))
    assert float(exact.norm()) > 0.1


def test_rloo_from_real_draws_agrees_with_the_exact_gradient_within_its_error(level: Level) -> None:
    update = RlooUpdate(level.context, generations=4, prompts=64, steps=24)
    draws = torch.stack([-level.gradient(loss) for loss in level.losses(update, copies(64))])
    exact = level.gradient(objective(level))
    error = draws.std(0) / math.sqrt(len(draws))
    seen = error > 1e-6
    z = ((draws.mean(0) - exact)[seen] / error[seen]).square().mean()
    assert 0.2 < float(z) < 3  # about 1 if it is unbiased
    along = draws @ exact / exact.square().sum()  # 1 on average
    assert abs(float(along.mean()) - 1) < 4 * float(along.std()) / math.sqrt(len(along))
    assert float(along.std()) / math.sqrt(len(along)) < 0.1


class WrongLogProbs(TransformersSampler):
    """Draws as it should, and says half a nat too little of every token."""

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        for generation in super().sample(prompts, decoding, seed):
            yield replace(generation, logprobs=tuple(logp - 0.5 for logp in generation.logprobs))


def test_rloo_trusts_the_trainers_log_probabilities_and_reports_how_far_the_samplers_are_off(level: Level) -> None:
    update = RlooUpdate(level.context, generations=4, prompts=8, steps=1)
    steps = []
    for sampler in (TransformersSampler, WrongLogProbs):
        (step,) = update.losses(TabularReward(), sampler(level.policy, 512, lambda: None), copies(8), 0, 0)
        steps.append(step)
        level.policy.moved()
    right, wrong = steps
    assert float(wrong.loss) == float(right.loss)
    assert wrong.values["policy/kl"] == right.values["policy/kl"]
    assert right.values["sampler/logp_error_max"] < 1e-5
    assert wrong.values["sampler/logp_error"] == pytest.approx(0.5, abs=1e-5)


def test_boltzmann_weights_over_all_responses_are_the_closed_form(level: Level) -> None:
    logp_ref = level.logp(level.reference.policy).detach()
    weights = boltzmann_weights((REWARD + BETA * logp_ref)[None], BETA)[0]
    assert torch.allclose(weights, optimal_policy(logp_ref, REWARD, BETA).exp(), atol=1e-12)


def test_boltzmann_steps_lead_to_the_closed_form(level: Level) -> None:
    logp_ref = level.logp(level.reference.policy).detach()
    optimum = optimal_policy(logp_ref, REWARD, BETA)

    def distance() -> float:
        with torch.no_grad():
            return float((optimum.exp() * (optimum - level.logp(level.policy))).sum())

    before = distance()
    update = BoltzmannUpdate(level.context, generations=2048, prompts=1, steps=100)
    optimizer = torch.optim.Adam(level.policy.parameters(), lr=3e-3)
    for loss in level.losses(update, [PROMPT]):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert before > 0.5
    assert distance() < 0.03  # 2,048 draws do not know it better


def test_rloo_steps_lead_towards_the_same_policy(level: Level) -> None:
    logp_ref = level.logp(level.reference.policy).detach()
    best = float(BETA * torch.logsumexp(logp_ref + REWARD / BETA, 0))  # the objective's maximum, in closed form
    with torch.no_grad():
        before = float(objective(level))
    update = RlooUpdate(level.context, generations=8, prompts=16, steps=120)
    optimizer = torch.optim.Adam(level.policy.parameters(), lr=3e-3)
    for loss in level.losses(update, copies(16)):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        assert best - float(objective(level)) < 0.1 * (best - before)
