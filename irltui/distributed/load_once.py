"""A model that only the first rank reads: the others receive its structure, and their shards of the weights.

So one rank of all needs room for the whole model, and its files are read once.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import AttentionInterface

from irltui.distributed import ranks


def read_by_first(load: Callable[[], Any]) -> Any:
    """A model on the first rank's CPU; elsewhere the same without weights, buffers and switches as there. Collective.

    Where its form cannot be sent (a class that only its own folder has, functions put into its modules, an attention
    kernel that loading fetches), every rank calls `load`, which is not collective.
    """
    model = None

    def form() -> bytes | None:
        nonlocal model
        model = load()
        return _packed(blank_copy(model))

    packed = ranks.from_first(form)
    if model is not None:
        return model
    received = None if packed is None else _unpacked(packed)
    return load() if received is None else received


def blank_copy(model: Any) -> Any:
    """The same model with parameters on the meta device; buffers are copied."""
    blank = {id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()}
    return copy.deepcopy(model, blank)


def _packed(blank: Any) -> bytes | None:
    if any("forward" in vars(module) for module in blank.modules()):
        return None  # fused kernels, hooks of accelerate: it would arrive without them
    try:
        return pickle.dumps(blank)
    except (pickle.PicklingError, AttributeError, TypeError):  # what has no name to be found by
        return None


def _unpacked(packed: bytes) -> Any | None:
    try:
        model = pickle.loads(packed)  # noqa: S301 - from another rank of this run
    except (ImportError, AttributeError):
        return None
    attention = model.config.get_text_config()._attn_implementation
    return model if attention == "eager" or attention in AttentionInterface() else None  # who loads it fetches it
