"""liger-kernel's fused norms, rotary embedding and gated layers in place of transformers' own, on CUDA.

transformers' integration applies them to a loaded model. liger's forward pass with its own loss stays off, since it
gives no loss of single tokens. Where log-probabilities are computed in chunks, its fused output layer takes over.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import torch
from torch import Tensor
from transformers.integrations.liger import apply_liger_kernel
from transformers.utils import is_liger_kernel_available

from irltui.errors import ConfigError, ModelError

_SWITCHES = {
    **dict.fromkeys(("rope", "rms_norm", "swiglu", "geglu"), True),
    **dict.fromkeys(("cross_entropy", "fused_linear_cross_entropy"), False),
}
_OFF = 'Set model.kernels = "off".'
_LIGER = "liger_kernel.transformers"
_MARK = "irltui_fused"  # on the output layer of a model that has the kernels


def require_liger(model_type: str) -> None:
    """Refuse what liger cannot do; nothing falls back on its own.

    Raises:
        ConfigError: there is no CUDA device, no liger-kernel, or it does not know models of this type.
    """
    if not torch.cuda.is_available():
        raise ConfigError('model.kernels: "liger" needs a CUDA device, and there is none here', _OFF)
    if not is_liger_kernel_available():
        raise ConfigError(
            "model.kernels: liger-kernel is not installed", f"Install it: pip install 'irltui[liger]'. Or: {_OFF}"
        )
    if model_type not in import_module(f"{_LIGER}.monkey_patch").MODEL_TYPE_TO_APPLY_LIGER_FN:
        raise ConfigError(f"model.kernels: liger-kernel knows no models of type {model_type}", _OFF)


def use_liger(model: Any) -> None:
    """Put the kernels into a transformers model, in place.

    Raises:
        ModelError: liger does not get along with this model or this version of transformers.
    """
    try:
        apply_liger_kernel(model, _SWITCHES)
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"model.kernels: liger-kernel cannot be applied: {error}", _OFF) from error
    if (head := model.get_output_embeddings()) is not None:
        setattr(head, _MARK, True)


def is_fused(head: Any) -> bool:
    return bool(getattr(head, _MARK, False))


def fused_log_probs(head: Any, states: Tensor, targets: Tensor, cap: float | None) -> Tensor:
    """Log-probabilities of the targets without logits in memory: (N, hidden), (N,) -> (N,) float32, differentiable."""
    fused = import_module(f"{_LIGER}.fused_linear_cross_entropy").LigerFusedLinearCrossEntropyLoss
    loss = fused(reduction="none", softcap=cap)
    return -loss(head.weight, states, targets, head.bias).float()
