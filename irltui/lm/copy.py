"""The policy's model with its matrices in the type they are multiplied in: what autocast would cast at every step.

Everything else (embeddings, norms, biases of norms) stays as the policy has it; so the copy computes what the
policy computes under autocast. Adapters are merged into the matrices.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from irltui.distributed import ranks


def low_precision_copy(model: Any, dtype: torch.dtype) -> Any:
    """A model for inference under autocast to `dtype`; of the present weights, so make it anew when they change.

    Args:
        model: a causal language model, or its peft wrapping; its adapters count if they are switched on.
        dtype: bfloat16 or float16.
    """
    base = _base(model)
    shared = {id(tensor): tensor for tensor in (*base.parameters(), *base.buffers())}
    return _fill(base, copy.deepcopy(base, shared), dtype).eval()


def whole_copy(model: Any, blank: Any, dtype: torch.dtype | None) -> Any:
    """The same of a model that is sharded over the ranks: nothing of it is shared. Collective.

    Args:
        model: as above, sharded and not gathered.
        blank: the same model without weights.
        dtype: as above; None leaves matrices in their own type.
    """
    with torch.no_grad():
        return _fill(_base(model), copy.deepcopy(_base(blank)), dtype).eval()


def _fill(base: Any, twin: Any, dtype: torch.dtype | None) -> Any:
    """The twin with the base's matrices in `dtype`, and with what else the two do not share."""
    made: dict[int, nn.Parameter] = {}  # tied ones stay tied
    for name, module in list(twin.named_modules()):
        if not _has(twin, name, module):
            continue  # inside an adapted module that has been replaced already
        original = base.get_submodule(name)
        found = _matrix(original)
        if found is not None and (dtype is not None or type(original) is not nn.Linear):
            weight, bias = ranks.whole(found[0]), None if found[1] is None else ranks.whole(found[1])
            kind = weight.dtype if dtype is None else dtype
            twin.set_submodule(name, _linear(weight.to(kind), None if bias is None else bias.to(kind)))
            continue
        if getattr(original, "disable_adapters", False) and not module.disable_adapters:
            module.enable_adapters(enabled=False)  # of one that is no matrix, and stays an adapter
        for leaf, parameter in original.named_parameters(recurse=False):
            if getattr(module, leaf) is parameter:
                continue
            if id(parameter) not in made:
                made[id(parameter)] = nn.Parameter(ranks.whole(parameter), requires_grad=False)
            module.register_parameter(leaf, made[id(parameter)])
        for leaf, buffer in original.named_buffers(recurse=False):
            setattr(module, leaf, buffer)
    return twin


def _base(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _matrix(module: Any) -> tuple[Tensor, Tensor | None] | None:
    """Weight and bias of a linear module, its adapter merged; None for any other."""
    if type(module) is nn.Linear:
        return module.weight, module.bias
    if hasattr(module, "get_delta_weight") and type(module.base_layer) is nn.Linear:
        return _merged(module), module.base_layer.bias
    return None


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


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias, requires_grad=False)
    return linear
