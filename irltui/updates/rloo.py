"""REINFORCE leave-one-out: new generations, one policy-gradient step, the KL to pi_ref inside the return."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from irltui.algorithm import regularised_return, rloo_advantage
from irltui.api import PolicyStep, Prompt, Reward, Sampler, prompt_seed
from irltui.samplers.agreement import agreement_metrics, disagreement
from irltui.updates.groups import Group, GroupUpdate, copies, drawn_in_order, without_spread


class RlooUpdate(GroupUpdate):
    """Sequence-level advantages A_i = R_i - mean of the others' R, with R = r - beta log(pi / pi_ref).

    Every step samples from the current policy, so the gradient of E r - beta KL is unbiased.
    """

    def losses(
        self, reward: Reward, sampler: Sampler, prompts: Sequence[Prompt], t: int, start: int
    ) -> Iterator[PolicyStep]:
        for s in range(start, self.steps(len(prompts))):
            group = self._draw(sampler, self._chosen(prompts, t, s), t, s)
            yield from self._step(group, reward, s)

    def _draw(self, sampler: Sampler, prompts: Sequence[Prompt], t: int, s: int) -> Group:
        context = self._context
        asked = copies(prompts, self._generations)
        seed = prompt_seed(context.seed, f"rloo {t} {s}")
        generations = drawn_in_order(asked, sampler.sample(asked, context.decoding, seed), context.poll)
        reference = self._lower.reference.log_probs(asked, [g.tokens for g in generations])
        return Group(asked, generations, reference, self._generations)

    def _step(self, group: Group, reward: Reward, s: int) -> Iterator[PolicyStep]:
        context, beta = self._context, self._lower.beta
        rewards = group.rewards(reward, context.policy, context.batch)
        rows = group.token_log_probs(context.policy, context.batch)  # an external sampler rounds differently
        logp = group.by_prompt(sum(row) for row in rows)
        logp_ref = group.by_prompt(group.logp_ref)
        returns = regularised_return(rewards, logp, logp_ref, beta)
        advantage = rloo_advantage(returns)
        errors = [disagreement(g.logprobs, row) for g, row in zip(group.generations, rows, strict=True)]
        values = {
            **_metrics(rewards, returns, advantage),
            "policy/kl": float((logp - logp_ref).mean()),
            **agreement_metrics(errors),
        }
        weights = -advantage / advantage.numel()
        for part in group.weighted_log_probs(weights, context.policy, context.batch):
            yield part.step(s, values)


def _metrics(rewards: Tensor, returns: Tensor, advantage: Tensor) -> dict[str, float]:
    return {
        "policy/reward": float(rewards.mean()),
        "policy/advantage_std": float(advantage.std()),
        "policy/zero_variance_groups": without_spread(returns),
    }
