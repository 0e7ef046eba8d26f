"""Rewards of many responses, without gradient: rows of similar length share a forward pass, ranks share the passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from irltui.api import Policy, Prompt, Responses, Reward
from irltui.distributed import ranks
from irltui.lm.policy import by_length


@dataclass(frozen=True, slots=True)
class RewardScore:
    """R(x, y), and its parts per response token if the reward has such parts."""

    total: float
    tokens: list[float] | None


def score_rewards(
    reward: Reward,
    policy: Policy,
    prompts: Sequence[Prompt],
    responses: Sequence[Sequence[int]],
    reference: Sequence[Sequence[float]] | None,
    *,
    batch: int,
    poll: Callable[[], None] = lambda: None,
) -> list[RewardScore]:
    """One score per response, in the order given; `poll` is called between forward passes of `batch` responses.

    `reference` is log pi_ref of each token of each response in nats; None if the reward needs none. With `score_all`
    and the same batch, a policy that has not moved has rewards of exactly 0.
    """

    def collate(some: Sequence[int]) -> Responses:
        collated = policy.collate([prompts[i] for i in some], [responses[i] for i in some], [math.nan] * len(some))
        if reference is None:
            return collated
        known = torch.zeros(collated.input_ids.shape, dtype=torch.float32)
        for row, i in enumerate(some):
            start = len(prompts[i].tokens)
            known[row, start : start + len(responses[i])] = torch.tensor(reference[i])
        known = known.to(collated.logp_ref.device)
        return replace(collated, logp_ref=known.sum(-1), token_logp_ref=known)

    def scored(some: Sequence[int]) -> list[RewardScore]:
        collated = collate(some)
        with torch.no_grad():
            totals = reward.score(collated).float().cpu().tolist()
            parts = reward.token_scores(collated)
        if parts is None:
            return [RewardScore(total, None) for total in totals]
        rows = zip(totals, parts.float().cpu(), collated.response_mask.cpu(), strict=True)
        return [RewardScore(total, values[mask].tolist()) for total, values, mask in rows]

    lengths = [len(prompt.tokens) + len(tokens) for prompt, tokens in zip(prompts, responses, strict=True)]
    return ranks.in_passes(by_length(lengths, batch), scored, poll)
