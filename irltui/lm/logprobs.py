"""Log-probabilities of responses, computed for response positions alone.

The hidden states of prompt and padding never meet the vocabulary: a hook in front of the model's own output
layer drops them, so whatever the model does to its logits afterwards (scaling, soft-capping) stays in place.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from irltui.api import Responses


def token_log_probs(model: nn.Module, head: nn.Module, responses: Responses) -> Tensor:
    """Log pi of each response token given all before it.

    Args:
        model: a causal language model, possibly wrapped for distribution.
        head: its output layer (`get_output_embeddings()`).
        responses: B rows of L tokens; every response has at least one token before it.

    Returns:
        (B, L) float32 nats, differentiable; zero outside the response.
    """
    mask = responses.response_mask
    predicts = torch.zeros_like(mask)
    predicts[:, :-1] = mask[:, 1:]  # position i predicts token i + 1
    with only(head, predicts):
        logits = model(
            input_ids=responses.input_ids, attention_mask=responses.attention_mask.long(), use_cache=False
        ).logits  # (tokens, vocabulary)
    targets = responses.input_ids[mask]
    logp = -cross_entropy(logits.float(), targets, reduction="none")
    return torch.zeros(mask.shape, dtype=logp.dtype, device=logp.device).masked_scatter(mask, logp)


def sequence_log_probs(token_logp: Tensor) -> Tensor:
    """(B, L) -> (B,): the sum over each response, in float32."""
    return token_logp.sum(-1)


@contextmanager
def only(head: nn.Module, rows: Tensor) -> Iterator[None]:
    """Let only the marked positions of the hidden states, (B, L) bool, into the output layer."""

    def select(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        return (arguments[0][rows], *arguments[1:])

    handle = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()
