"""Rewards of many responses, without gradient: rows of similar length share a forward pass, ranks share the passes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch

from irltui.api import Policy, Prompt, Responses, Reward
from irltui.distributed import ranks


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
    """One score per response, in the order given.

    Args:
        reward: scores and, if it can, token scores.
        policy: collates.
        prompts: of the responses.
        responses: token ids.
        reference: log pi_ref of each token of each response in nats; None if the reward needs none. With `score_all`
            and the same batch, a policy that has not moved has rewards of exactly 0.
        batch: responses per forward pass.
        poll: called between passes.
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

    def scored(some: Sequence[int]) -> Iterator[tuple[int, RewardScore]]:
        collated = collate(some)
        with torch.no_grad():
            totals = reward.score(collated).float().cpu().tolist()
            parts = reward.token_scores(collated)
        rows = None if parts is None else parts.float().cpu()
        for row, i in enumerate(some):
            start = len(prompts[i].tokens)
            tokens = None if rows is None else rows[row, start : start + len(responses[i])].tolist()
            yield i, RewardScore(totals[row], tokens)

    order = sorted(range(len(prompts)), key=lambda i: (len(prompts[i].tokens) + len(responses[i]), i))
    scores: list[tuple[int, RewardScore]] = []
    with ranks.apart():
        for some, counts in ranks.passes([order[at : at + batch] for at in range(0, len(order), batch)]):
            poll()
            found = list(scored(some))
            scores += found if counts else []
    return [score for _, score in sorted(ranks.gather(scores), key=lambda pair: pair[0])]
