"""Boltzmann-weighted maximum likelihood: the lower level's closed form, estimated from generations of pi_ref."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from irltui.algorithm import boltzmann_weights
from irltui.api import Generation, PolicyStep, Prompt, Reward, Sampler, prompt_seed
from irltui.samplers.store import open_store
from irltui.updates.groups import Group, GroupUpdate, copies, drawn_in_order, without_spread

STORE = "reference"
_AT_ONCE = 64  # generations sampled between two writes


class BoltzmannUpdate(GroupUpdate):
    """Cross-entropy towards pi_ref exp(r / beta) / Z: G generations from pi_ref, weights softmax_i(r_i / beta).

    pi_ref does not change, so its generations and their log-probabilities are computed once and kept in samples/.
    """

    def losses(
        self, reward: Reward, sampler: Sampler, prompts: Sequence[Prompt], t: int, start: int
    ) -> Iterator[PolicyStep]:
        chosen = [self._chosen(prompts, t, s) for s in range(self.steps(len(prompts)))]
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
        "policy/zero_variance_groups": without_spread(rewards),
        "policy/effective_generations": float((1 / weights.square().sum(-1)).mean()),
        "policy/kl": float(divergence.mean()),
    }
