"""Log-probabilities of responses, computed for response positions alone.

The hidden states of prompt and padding never meet the vocabulary: a hook in front of the model's own output
layer drops them, so whatever the model does to its logits afterwards (scaling, soft-capping) stays in place.
Where even those logits would be too many, they are computed in chunks, and once more for the gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.checkpoint import checkpoint

from irltui.api import Responses
from irltui.lm.kernels import fused_log_probs, is_fused

MOST_LOGITS = 1 << 27  # in one piece: half a gigabyte of float32
Marked = Tensor | tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class Rows:
    """What a model is given for a batch, and which hidden states predict the response tokens, in their order."""

    inputs: dict[str, Any]
    predicts: Marked


def separate_rows(responses: Responses) -> Rows:
    predicts = torch.zeros_like(responses.response_mask)
    predicts[:, :-1] = responses.response_mask[:, 1:]  # position i predicts token i + 1
    return Rows({"input_ids": responses.input_ids, "attention_mask": responses.attention_mask.long()}, predicts)


def token_log_probs(model: nn.Module, head: nn.Module, responses: Responses, rows: Rows | None = None) -> Tensor:
    """Log pi of each response token given all before it.

    Args:
        model: a causal language model, whole or sharded over the ranks.
        head: its output layer (`get_output_embeddings()`).
        responses: B rows of L tokens; every response has at least one token before it.
        rows: what the model is given for them; None for every response with its own prompt.

    Returns:
        (B, L) float32 nats, differentiable; zero outside the response.
    """
    rows = separate_rows(responses) if rows is None else rows
    mask = responses.response_mask
    targets = responses.input_ids[mask]
    vocabulary = int(getattr(head, "weight").shape[0])  # noqa: B009 - nn.Module does not know it
    logp = None
    if len(targets) * vocabulary > MOST_LOGITS:
        logp = _in_chunks(model, head, rows, targets, max(1, MOST_LOGITS // 4 // vocabulary))
    if logp is None:
        with marked_only(head, rows.predicts):
            logits = model(**rows.inputs, use_cache=False).logits  # (tokens, vocabulary)
        logp = _log_probs(logits, targets)
    return torch.zeros(mask.shape, dtype=logp.dtype, device=logp.device).masked_scatter(mask, logp)


def sequence_log_probs(token_logp: Tensor) -> Tensor:
    """(B, L) -> (B,): the sum over each response, in float32."""
    return token_logp.sum(-1)


@contextmanager
def marked_only(head: nn.Module, marked: Marked, collected: list[Tensor] | None = None) -> Iterator[None]:
    """Let only the marked positions of the hidden states into the output layer.

    Args:
        head: the output layer.
        marked: (B, L) bool, or rows and columns.
        collected: if given, the marked states are put here, and only the first goes on.
    """

    def select(module: nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        states = arguments[0][marked]
        if collected is not None:
            collected.append(states)
            states = states[:1]
        return (states, *arguments[1:])

    handle = head.register_forward_pre_hook(select)
    try:
        yield
    finally:
        handle.remove()


def _log_probs(logits: Tensor, targets: Tensor) -> Tensor:
    return -cross_entropy(logits.float(), targets, reduction="none")


def _in_chunks(model: Any, head: nn.Module, rows: Rows, targets: Tensor, size: int) -> Tensor | None:
    """The same in chunks; None for a model with unknown operations on its logits."""
    collected: list[Tensor] = []
    with marked_only(head, rows.predicts, collected):
        theirs = model(**rows.inputs, use_cache=False).logits
    cap = getattr(model.config.get_text_config(), "final_logit_softcapping", None)
    with torch.no_grad():
        ours = _logits(head, collected[0][:1], cap)
    if not torch.allclose(ours.float(), theirs.float(), rtol=1e-2, atol=1e-2):
        return None
    if is_fused(head):
        return fused_log_probs(head, collected[0], targets, cap)
    piece = partial(checkpoint, _piece, use_reentrant=False)
    return torch.cat(
        [piece(head, *some, cap) for some in zip(collected[0].split(size), targets.split(size), strict=True)]
    )


def _piece(head: nn.Module, states: Tensor, targets: Tensor, cap: float | None) -> Tensor:
    return _log_probs(_logits(head, states, cap), targets)


def _logits(head: nn.Module, states: Tensor, cap: float | None) -> Tensor:
    logits = head(states)
    return logits if cap is None else torch.tanh(logits / cap) * cap
