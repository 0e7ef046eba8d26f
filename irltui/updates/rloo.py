"""REINFORCE leave-one-out: new generations, one policy-gradient step, the KL to pi_ref inside the return."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor

from irltui.algorithm import regularised_return, rloo_advantage
from irltui.api import BuildContext, PolicyStep, PolicyUpdate, Prompt, Reward, Sampler, prompt_seed
from irltui.samplers.agreement import agreement_metrics, disagreement
from irltui.updates.groups import Group, copies, drawn_in_order, lower_level, step_count, step_prompts

_NO_SPREAD = 1e-6  # standard deviation of a prompt's returns below which they have no effect


class RlooUpdate(PolicyUpdate):
    """Sequence-level advantages A_i = R_i - mean of the others' R, with R = r - beta log(pi / pi_ref).

    Every step samples from the current policy, so the gradient of E r - beta KL is unbiased.

    Args:
        context: with its lower level.
        generations: n, per prompt.
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
        for s in range(start, self.steps(len(prompts))):
            group = self._draw(sampler, step_prompts(prompts, self._prompts, self._context.seed, t, s), t, s)
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
        "policy/zero_variance_groups": float((returns.std(-1) < _NO_SPREAD).float().mean()),
    }
