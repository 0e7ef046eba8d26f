"""Sample one token per row from its logits by inverse CDF, with one uniform number per token.

The cumulative sum has two levels, blocks and tokens of a block, so that one pass over the vocabulary is enough. Sums
are float64: in float32, a cumulative sum over a large vocabulary would bias rare tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad
from transformers import TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from irltui.api import Decoding
from irltui.errors import NotFiniteError

BLOCK = 256
_UNUSED = torch.empty(0)  # the warpers below ignore the history


class Draw:
    """Samples tokens as a `Decoding` says."""

    def __init__(self, decoding: Decoding) -> None:
        self._greedy = decoding.temperature == 0
        self._warpers: list[Callable[[Tensor, Tensor], Tensor]] = []
        if not self._greedy and decoding.temperature != 1:
            self._warpers.append(TemperatureLogitsWarper(decoding.temperature))
        if decoding.top_k:
            self._warpers.append(TopKLogitsWarper(decoding.top_k))
        if decoding.top_p < 1:
            self._warpers.append(TopPLogitsWarper(decoding.top_p))

    def __call__(self, logits: Tensor, uniform: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Tokens (B,) int64 and their log-probabilities (B,) float32 under the policy itself, in nats.

        Args:
            logits: (B, vocabulary).
            uniform: B numbers in [0, 1).

        Raises:
            NotFiniteError: the logits of a row are not finite.
        """
        logits = logits.float()
        if not bool(logits.amax(-1).isfinite().all()):
            raise NotFiniteError(
                "the policy's logits are not finite",
                "Lower the learning rate, and continue from the last checkpoint with --resume.",
            )
        if self._greedy:
            token, normaliser = logits.argmax(-1), logits.logsumexp(-1)
        elif self._warpers:
            warped = logits
            for warper in self._warpers:
                warped = warper(_UNUSED, warped)
            token, _ = inverse_cdf(warped, uniform)
            normaliser = logits.logsumexp(-1)
        else:
            token, normaliser = inverse_cdf(logits, uniform)
        return token, logits.gather(-1, token[:, None])[:, 0] - normaliser


def inverse_cdf(logits: Tensor, uniform: Sequence[float]) -> tuple[Tensor, Tensor]:
    """The token at which the cumulative probability exceeds `uniform`, (B,) int64, and the logits' logsumexp."""
    top = logits.amax(-1, keepdim=True)
    weights = torch.exp(logits - top)
    if short := -weights.shape[1] % BLOCK:
        weights = pad(weights, (0, short))
    blocks = weights.view(weights.shape[0], -1, BLOCK)
    upto = blocks.sum(-1, dtype=torch.float64).cumsum(-1)
    wanted = torch.tensor(uniform, dtype=torch.float64, device=logits.device) * upto[:, -1]
    block = _passes(upto, wanted)
    rows = torch.arange(len(block), device=logits.device)
    before = torch.where(block > 0, upto[rows, (block - 1).clamp(min=0)], 0.0)
    inside = _passes(blocks[rows, block].double().cumsum(-1), wanted - before)
    return block * BLOCK + inside, top[:, 0] + upto[:, -1].log().to(top.dtype)


def _passes(upto: Tensor, wanted: Tensor) -> Tensor:
    """Per row, the first index whose cumulative sum exceeds `wanted`; rounding never passes the last weight."""
    last = torch.nextafter(upto[:, -1], torch.zeros_like(wanted))
    return torch.searchsorted(upto, torch.minimum(wanted, last)[:, None], right=True)[:, 0]
