"""Several generations for each of some prompts, in one flat order, and what policy steps compute from them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import torch
from torch import Tensor

from irltui.api import BuildContext, Generation, Policy, PolicyStep, PolicyUpdate, Prompt, Responses, Reward
from irltui.data.order import batches
from irltui.distributed import ranks
from irltui.lm.policy import by_length

_T = TypeVar("_T")
_NO_SPREAD = 1e-6  # standard deviation of a prompt's values below which they count as equal


def step_count(steps: int | str, prompts: int, size: int) -> int:
    """Policy steps per outer iteration; "auto" goes over its prompts once, `size` per step."""
    return math.ceil(prompts / size) if steps == "auto" else int(steps)


class GroupUpdate(PolicyUpdate):
    """A policy step from several generations for each of its prompts.

    Args:
        context: with its lower level.
        generations: n, per prompt.
        prompts: per step.
        steps: as `step_count` takes them.
    """

    def __init__(self, context: BuildContext, generations: int, prompts: int, steps: int | str) -> None:
        if context.lower is None:
            raise ValueError("a policy step needs a lower level")
        self._context, self._lower = context, context.lower
        self._generations, self._prompts, self._steps = generations, prompts, steps

    def steps(self, prompts: int) -> int:
        return step_count(self._steps, prompts, self._prompts)

    def _chosen(self, prompts: Sequence[Prompt], t: int, s: int) -> list[Prompt]:
        """The prompts of policy step s, a function of t, s and the seed alone."""
        (chosen,) = islice(batches(range(len(prompts)), self._prompts, self._context.seed, t), s, s + 1)
        return [prompts[i] for i in chosen]


def copies(prompts: Sequence[Prompt], count: int) -> list[Prompt]:
    """Each prompt `count` times in a row, each copy with its own id."""
    return [replace(prompt, id=f"{prompt.id}#{i}") for prompt in prompts for i in range(count)]


@dataclass(frozen=True)
class Group:
    """N = P x n generations, those of a prompt in a row, with log pi_ref of each in nats."""

    prompts: Sequence[Prompt]  # N: a prompt for each of its generations
    generations: Sequence[Generation]  # N
    logp_ref: Sequence[float]  # N
    count: int  # n

    def rewards(self, reward: Reward, policy: Policy, batch: int) -> Tensor:
        """R(x, y~) of each generation, (P, n) float32, without gradient."""
        return self.by_prompt(self._of_each(lambda responses: reward.score(responses).tolist(), policy, batch))

    def token_log_probs(self, policy: Policy, batch: int) -> list[list[float]]:
        """Log pi of each token of each generation as the trainer computes it, N rows in nats, without gradient."""

        def rows(responses: Responses) -> list[list[float]]:
            found = policy.token_log_probs(responses).float().cpu()
            masks = responses.response_mask.cpu()
            return [row[mask].tolist() for row, mask in zip(found, masks, strict=True)]

        return self._of_each(rows, policy, batch)

    def _of_each(self, compute: Callable[[Responses], Sequence[_T]], policy: Policy, batch: int) -> list[_T]:
        """`compute` for each generation, N values in order, without gradient; ranks share the passes."""
        with torch.no_grad():
            return ranks.in_passes(self._orders(batch), lambda places: compute(self._collate(policy, places)))

    def by_prompt(self, values: Tensor | Iterable[float]) -> Tensor:
        """(N,) as (P, n)."""
        flat = values if isinstance(values, Tensor) else torch.tensor(list(values))
        return flat.reshape(-1, self.count)

    def weighted_log_probs(self, weights: Tensor, policy: Policy, batch: int) -> Iterator[Weighted]:
        """The sum of weight * log pi(y | x), differentiable, in parts of `batch` responses; ranks share the passes.

        The weights are (P, n) float32, without gradient.
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
        both = zip(self.prompts, self.generations, strict=True)
        return by_length([len(prompt.tokens) + len(generation.tokens) for prompt, generation in both], batch)

    def _collate(self, policy: Policy, places: Sequence[int]) -> Responses:
        return policy.collate(
            [self.prompts[i] for i in places],
            [self.generations[i].tokens for i in places],
            [self.logp_ref[i] for i in places],
        )


def without_spread(values: Tensor) -> float:
    """The share of prompts whose generations all have the same value; (P, n)."""
    return float((values.std(-1) < _NO_SPREAD).float().mean())


@dataclass(frozen=True)
class Weighted:
    """One part of this rank's weighted sum; the last also has log pi of all generations, (P, n), without gradient."""

    sum: Tensor  # ()
    log_probs: Tensor | None
    responses: Responses
    weight: Tensor  # (B,)

    def step(self, s: int, values: Mapping[str, float]) -> PolicyStep:
        """This part as a PolicyStep of step s; the metrics come with the last part."""
        last = self.log_probs is not None
        return PolicyStep(s, self.sum, last, values if last else {}, self.responses, self.weight)


def _in_place(values: Iterable[tuple[int, float]]) -> Tensor:
    """(N,) from values with their indices; an index may have come from two ranks."""
    return torch.tensor([value for _, value in sorted(dict(values).items())])


def drawn_in_order(asked: Sequence[Prompt], drawn: Iterable[Generation], poll: Callable[[], None]) -> list[Generation]:
    """The generations in the order of the prompts.

    Raises:
        ValueError: one is missing.
    """
    by_id: dict[str, Generation] = {}
    for generation in drawn:
        by_id[generation.prompt_id] = generation
        poll()
    missing = [prompt.id for prompt in asked if prompt.id not in by_id]
    if missing:
        raise ValueError(f"the sampler returned {len(by_id)} of {len(asked)} generations; {missing[0]} is missing")
    return [by_id[prompt.id] for prompt in asked]
