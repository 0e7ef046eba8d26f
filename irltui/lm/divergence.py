"""KL between two policies, exact over the vocabulary at every token of given responses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import pairwise

import torch
from torch.nn.functional import kl_div

from irltui.api import Prompt
from irltui.distributed import ranks
from irltui.lm.policy import LanguageModelPolicy

MOST_LOGITS = 1 << 26  # of one forward pass: a quarter of a gigabyte of float32, for each of the two policies
Past = Callable[[], AbstractContextManager[LanguageModelPolicy]]
Span = tuple[int, int, int]
"""A response, and the first and the last but one of its tokens."""


def kl_per_token(
    policy: LanguageModelPolicy,
    past: Past,
    prompts: Sequence[Prompt],
    responses: Sequence[Sequence[int]],
    *,
    batch: int,
    poll: Callable[[], None] = lambda: None,
) -> float:
    """Mean over the responses' tokens of KL(policy || past) given the tokens before, in nats. Collective.

    The context of `past` is the other policy, which may be `policy` itself in another state. A forward pass has at most
    `batch` responses, of which there must be one at least.
    """
    most = max(1, MOST_LOGITS // policy.vocabulary)
    found: list[tuple[Span, float]] = []
    with ranks.apart():
        for spans, counts in ranks.passes(list(_passes([len(tokens) for tokens in responses], batch, most))):
            poll()
            value = _sum_of_kl(policy, past, prompts, responses, spans)
            found += [(spans[0], value)] if counts else []
    total = math.fsum(value for _, value in sorted(ranks.gather(found)))
    return total / sum(map(len, responses))


def _passes(lengths: Sequence[int], batch: int, most: int) -> Iterator[list[Span]]:
    """All tokens in forward passes of at most `batch` responses and `most` tokens; a longer response takes several."""
    spans: list[Span] = []
    tokens = 0
    for row in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if spans and (len(spans) == batch or tokens + lengths[row] > most):
            yield spans
            spans, tokens = list[Span](), 0
        if lengths[row] > most:
            ends = [*range(0, lengths[row], most), lengths[row]]
            yield from ([(row, start, stop)] for start, stop in pairwise(ends))
            continue
        spans.append((row, 0, lengths[row]))
        tokens += lengths[row]
    if spans:
        yield spans


def _sum_of_kl(
    policy: LanguageModelPolicy,
    past: Past,
    prompts: Sequence[Prompt],
    responses: Sequence[Sequence[int]],
    spans: Sequence[Span],
) -> float:
    rows = [row for row, _, _ in spans]
    collated = policy.collate([prompts[i] for i in rows], [responses[i] for i in rows], [0.0] * len(rows))
    predicts = torch.zeros_like(collated.response_mask)
    for place, (row, start, stop) in enumerate(spans):
        before = len(prompts[row].tokens) - 1  # position i predicts token i + 1
        predicts[place, before + start : before + stop] = True
    with torch.no_grad():
        now = policy.log_distributions(collated, predicts)
        with past() as other:
            then = other.log_distributions(collated, predicts)
    return float(kl_div(then, now, reduction="none", log_target=True).sum(-1).double().sum())
