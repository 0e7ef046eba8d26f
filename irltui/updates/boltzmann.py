"""Boltzmann-weighted maximum likelihood: the lower level's closed form, estimated from generations of pi_ref."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from irltui.algorithm import boltzmann_weights
from irltui.api import BuildContext, Generation, PolicyStep, PolicyUpdate, Prompt, Reward, Sampler, prompt_seed
from irltui.samplers.store import open_store
from irltui.updates.groups import Group, copies, drawn_in_order, lower_level, step_count, step_prompts

STORE = "reference"
_NO_SPREAD = 1e-6  # standard deviation of a prompt's rewards below which its weights are equal
_AT_ONCE = 64  # generations sampled between two writes


class BoltzmannUpdate(PolicyUpdate):
    """Cross-entropy towards pi_ref exp(r / beta) / Z: G generations from pi_ref, weights softmax_i(r_i / beta).

    pi_ref does not change, so its generations and their log-probabilities are computed once and kept in samples/.

    Args:
        context: with its lower level.
        generations: G, per prompt.
        prompts: per step.
        steps: per outer iteration, or "auto".
    """

    def __init__(self, context: BuildContext, generations: int, prompts: int, steps: int | str) -> None:
        self._context, self._lower = context, lower_level(context)
        self._generations, self._prompts, self._steps = generations, prompts, steps

    def steps(self, prompts: int) -> int:
        return step_count(self._steps, prompts, self._prompts)

    def losses(
        self, reward: Reward, sampler: Sampler, prompts: Sequence[Prompt], t: int, start: int
    ) -> Iterator[PolicyStep]:
        seed, total = self._context.seed, self.steps(len(prompts))
        chosen = [step_prompts(prompts, self._prompts, seed, t, s) for s in range(total)]
        kept = self._kept(list({prompt.id: prompt for batch in chosen for prompt in batch}.values()))
        for s, batch in list(enumerate(chosen))[start:]:
            asked = copies(batch, self._generations)
            generations = [kept[prompt.id] for prompt in asked]
            group = Group(asked, generations, [sum(g.logprobs) for g in generations], self._generations)
            yield from self._step(group, reward, s)

    def _kept(self, prompts: Sequence[Prompt]) -> dict[str, Generation]:
        """Generations of pi_ref for all copies of the prompts; those not stored yet are sampled."""
        context = self._context
        store = open_store(self._lower.folder, STORE)
        missing = [prompt for prompt in copies(prompts, self._generations) if prompt.id not in store.generations]
        missing.sort(key=lambda prompt: len(prompt.tokens))
        seed = prompt_seed(context.seed, "boltzmann")
        for at in range(0, len(missing), _AT_ONCE):
            some = missing[at : at + _AT_ONCE]
            drawn = drawn_in_order(some, self._lower.reference.sample(some, seed), context.poll)
            decode = context.policy.tokenizer.decode
            store.add_generations(drawn, (decode(g.tokens, skip_special_tokens=True) for g in drawn))
        return store.generations

    def _step(self, group: Group, reward: Reward, s: int) -> Iterator[PolicyStep]:
        context = self._context
        rewards = group.rewards(reward, context.policy, context.batch)
        weights = boltzmann_weights(rewards, self._lower.beta)
        logp_ref = group.by_prompt(group.logp_ref)
        for part in group.weighted_log_probs(-weights / len(weights), context.policy, context.batch):
            logp = part.log_probs
            yield part.step(s, {} if logp is None else _metrics(rewards, weights, logp - logp_ref))


def _metrics(rewards: Tensor, weights: Tensor, logratio: Tensor) -> dict[str, float]:
    """Metrics from (P, G) tensors. The KL is estimated from pi_ref's generations, reweighted by the policy."""
    log_policy = torch.log_softmax(logratio, dim=-1)
    divergence = (log_policy.exp() * log_policy).sum(-1) + math.log(logratio.shape[-1])
    return {
        "policy/reward": float((weights * rewards).sum(-1).mean()),
        "policy/advantage_std": float((rewards - rewards.mean(-1, keepdim=True)).std()),
        "policy/zero_variance_groups": float((rewards.std(-1) < _NO_SPREAD).float().mean()),
        "policy/effective_generations": float((1 / weights.square().sum(-1)).mean()),
        "policy/kl": float(divergence.mean()),
    }
