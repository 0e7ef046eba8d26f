"""The policy's model with its matrices in the type they are multiplied in: what autocast would cast at every step.

Everything else (embeddings, norms, biases of norms) is the policy's own, shared; so the copy computes what the
policy computes under autocast. Adapters are merged into the matrices.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


def low_precision_copy(model: Any, dtype: torch.dtype) -> Any:
    """A model for inference under autocast to `dtype`; of the present weights, so make it anew when they change.

    Args:
        model: a causal language model, or its peft wrapping; its adapters count if they are switched on.
        dtype: bfloat16 or float16.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    shared = {id(tensor): tensor for tensor in (*base.parameters(), *base.buffers())}
    twin = copy.deepcopy(base, shared)
    for name, module in list(twin.named_modules()):
        original = base.get_submodule(name)
        if type(original) is nn.Linear:
            weight, bias = original.weight, original.bias
        elif hasattr(original, "get_delta_weight") and type(original.base_layer) is nn.Linear:
            weight, bias = _merged(original), original.base_layer.bias
        else:
            continue
        if not _has(twin, name, module):
            continue  # inside an adapted module that has been replaced already
        twin.set_submodule(name, _linear(weight, bias, dtype))
    return twin.eval()


def _has(model: nn.Module, name: str, module: nn.Module) -> bool:
    try:
        return model.get_submodule(name) is module
    except AttributeError:
        return False


def _merged(module: Any) -> Tensor:
    weight = module.base_layer.weight
    if not module.disable_adapters:
        for adapter in module.active_adapters:
            weight = weight + module.get_delta_weight(adapter).to(weight.dtype)
    return weight


def _linear(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    linear.weight = nn.Parameter(weight.detach().to(dtype), requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias.detach().to(dtype), requires_grad=False)
    return linear
