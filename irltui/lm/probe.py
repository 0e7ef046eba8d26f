"""Small experiments that show whether a model behaves as the method assumes, without a list of families."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from irltui.errors import ModelError

_LENGTH, _SAME = 8, 5  # tokens of the probe, and how many of them the two rows share
_AGREES = {torch.float32: 1e-4}  # difference of logits over their largest, by the type of the weights
_AGREES_ROUGHLY = 2e-2
_REFUSALS = (RuntimeError, TypeError, ValueError, LookupError, AttributeError, ImportError)


def check_causal(name: str, model: Any) -> None:
    """Refuse a model in which a token changes the prediction of one before it: it gives no likelihood of an answer.

    Two rows that differ in their last tokens alone must have the same logits before them. The model is in evaluation
    mode, on any device.

    Raises:
        ModelError: a later token is seen, or the model computes nothing.
    """
    kind = type(model).__name__
    try:
        logits = _logits(model)
    except torch.OutOfMemoryError:
        raise
    except _REFUSALS as error:
        if torch.cuda.is_available() and model.device.type == "cpu":
            return  # it will compute on CUDA, with kernels that this device lacks
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ModelError(
            f"model.name: {name}: {kind} cannot compute the logits of a few tokens: {type(error).__name__}: {reason}",
            "Does transformers alone run this model here? The traceback is in console.log.",
        ) from error
    if logits.ndim != 3 or logits.shape[1] != _LENGTH:
        raise ModelError(
            f"model.name: {name}: {kind} gives logits of shape {tuple(logits.shape)}, not one row for each token",
            "Name a causal language model.",
        )
    first, second = logits[:, :_SAME].float()
    limit = _AGREES.get(model.dtype, _AGREES_ROUGHLY) * max(1.0, float(first.abs().max()))
    if float((first - second).abs().max()) > limit:
        raise ModelError(
            f"model.name: {name}: {kind} looks at later tokens, so it gives no likelihood of an answer",
            "Name a causal (decoder-only) language model; encoders such as BERT cannot be trained this way.",
        )


def _logits(model: Any) -> Tensor:
    vocabulary = model.get_input_embeddings().weight.shape[0]
    ids = (torch.arange(_LENGTH, device=model.device) * 7 + 3).repeat(2, 1) % vocabulary
    ids[1, _SAME:] = (ids[1, _SAME:] + 1) % vocabulary
    with torch.no_grad(), _portable_attention(model):
        return model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False).logits


@contextmanager
def _portable_attention(model: Any) -> Generator[None]:
    """Keep a model on the CPU from using attention kernels that only CUDA has."""
    chosen = getattr(model.config.get_text_config(), "_attn_implementation", None)
    if model.device.type != "cpu" or chosen in {None, "eager", "sdpa"}:
        yield
        return
    model.set_attn_implementation("eager")
    try:
        yield
    finally:
        model.set_attn_implementation(chosen)
