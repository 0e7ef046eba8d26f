"""Several generations for each of some prompts, in one flat order, and what is computed of all of them.

Knows no update: only that generations of a prompt lie side by side and that forward passes have a size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from irltui.api import BuildContext, Generation, LowerLevel, Policy, PolicyStep, Prompt, Responses, Reward
from irltui.data.order import batches
from irltui.distributed import ranks

_T = TypeVar("_T")


def lower_level(context: BuildContext) -> LowerLevel:
    """The context's, which the engine gives to policy steps.

    Raises:
        ValueError: it was not given.
    """
    if context.lower is None:
        raise ValueError("a policy step needs a lower level")
    return context.lower


def step_count(steps: int | str, prompts: int, size: int) -> int:
    """Policy steps of an outer iteration; "auto" goes once over its prompts, `size` a step."""
    return math.ceil(prompts / size) if steps == "auto" else int(steps)


def step_prompts(prompts: Sequence[Prompt], size: int, seed: int, t: int, s: int) -> list[Prompt]:
    """The prompts of policy step s, a function of its place alone."""
    (chosen,) = islice(batches(range(len(prompts)), size, seed, t), s, s + 1)
    return [prompts[i] for i in chosen]


def copies(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """Each prompt `count` times under ids of their own, side by side: one to draw for each."""
    return [replace(prompt, id=f"{prompt.id}#{i}") for prompt in prompts for i in range(count)]


@dataclass(frozen=True)
class Group:
    """N = P x n generations, those of a prompt side by side, with log pi_ref of each in nats."""

    prompts: Sequence[Prompt]  # N: a prompt stands beside each of its generations
    generations: Sequence[Generation]  # N
    logp_ref: Sequence[float]  # N
    count: int  # n

    def rewards(self, reward: Reward, policy: Policy, batch: int) -> Tensor:
        """R(x, y~) of each, (P, n) float32, without gradient."""
        return self.by_prompt(self._of_each(lambda responses: reward.score(responses).tolist(), policy, batch))

    def token_log_probs(self, policy: Policy, batch: int) -> list[list[float]]:
        """Log pi of each token of each generation, without gradient, as the trainer computes it; N rows, nats."""

        def rows(responses: Responses) -> list[list[float]]:
            found = policy.token_log_probs(responses).float().cpu()
            masks = responses.response_mask.cpu()
            return [row[mask].tolist() for row, mask in zip(found, masks, strict=True)]

        return self._of_each(rows, policy, batch)

    def _of_each(self, compute: Callable[[Responses], Sequence[_T]], policy: Policy, batch: int) -> list[_T]:
        """What `compute` says of each generation, without gradient, N in order; each rank computes its share."""
        found: list[tuple[int, _T]] = []
        with torch.no_grad():
            for places, counts in ranks.passes(self._orders(batch)):
                values = compute(self._collate(policy, places))
                found += zip(places, values, strict=True) if counts else ()
        return [value for _, value in sorted(ranks.gather(found), key=lambda pair: pair[0])]

    def by_prompt(self, values: Tensor | Iterable[float]) -> Tensor:
        """(N,) -> (P, n)."""
        flat = values if isinstance(values, Tensor) else torch.tensor(list(values))
        return flat.reshape(-1, self.count)

    def weighted_log_probs(self, weights: Tensor, policy: Policy, batch: int) -> Iterator[Weighted]:
        """The sum of weight * log pi(y | x), differentiable, in parts of one forward pass; each rank its share.

        Args:
            weights: (P, n) float32, no gradient.
            policy: pi_theta.
            batch: responses a forward pass.
        """
        flat, logp = weights.reshape(-1), list[tuple[int, float]]()
        parts = ranks.passes(self._orders(batch))
        for number, (places, counts) in enumerate(parts, start=1):
            responses = self._collate(policy, places)
            found = policy.log_probs(responses)
            logp += zip(places, found.detach().float().cpu().tolist(), strict=True)
            everyone = self.by_prompt(_in_place(ranks.gather(logp))) if number == len(parts) else None
            weight = flat[places].to(found.device) if counts else torch.zeros_like(found)
            yield Weighted((weight * found).sum(), everyone, responses, weight)

    def _orders(self, batch: int) -> list[list[int]]:
        """Places of the generations, those of like length in one forward pass."""

        def length(i: int) -> tuple[int, int]:
            return len(self.prompts[i].tokens) + len(self.generations[i].tokens), i

        order = sorted(range(len(self.generations)), key=length)
        return [order[at : at + batch] for at in range(0, len(order), batch)]

    def _collate(self, policy: Policy, places: Sequence[int]) -> Responses:
        return policy.collate(
            [self.prompts[i] for i in places],
            [self.generations[i].tokens for i in places],
            [self.logp_ref[i] for i in places],
        )


@dataclass(frozen=True)
class Weighted:
    """One part of this rank's weighted sum; with the last comes log pi of all generations, (P, n), without gradient."""

    sum: Tensor  # ()
    log_probs: Tensor | None
    responses: Responses
    weight: Tensor  # (B,)

    def step(self, s: int, values: Mapping[str, float]) -> PolicyStep:
        """This part of policy step s, whose metrics come with the last part."""
        last = self.log_probs is not None
        return PolicyStep(s, self.sum, last, values if last else {}, self.responses, self.weight)


def _in_place(values: Iterable[tuple[int, float]]) -> Tensor:
    """(N,) of values with their places; one place may have come from two ranks."""
    return torch.tensor([value for _, value in sorted(dict(values).items())])


def drawn_in_order(asked: Sequence[Prompt], drawn: Iterable[Generation], poll: Callable[[], None]) -> list[Generation]:
    """One generation per prompt asked, in the order asked.

    Raises:
        ValueError: the sampler left one out.
    """
    by_id: dict[str, Generation] = {}
    for generation in drawn:
        by_id[generation.prompt_id] = generation
        poll()
    missing = [prompt.id for prompt in asked if prompt.id not in by_id]
    if missing:
        raise ValueError(f"the sampler answered {len(by_id)} of {len(asked)} prompts; {missing[0]} is missing")
    return [by_id[prompt.id] for prompt in asked]
