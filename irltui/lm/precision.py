"""The precision of matrix products."""

from __future__ import annotations

from typing import Literal

import torch

from irltui.config.schema import ModelSection

SMALL = 20_000_000  # parameters below which casting costs a CPU more than bfloat16 saves


def compute_precision(section: ModelSection, parameters: int, device: torch.device) -> Literal["no", "bf16"]:
    """Accelerate's name for it; "auto" is bfloat16 where the hardware multiplies it natively.

    Args:
        section: the configuration.
        parameters: the model's number of parameters.
        device: where it computes.
    """
    if section.precision != "auto":
        return "bf16" if section.precision == "bfloat16" else "no"
    if section.dtype == "bfloat16":
        return "no"  # the weights already are
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if device.type == "cpu" and _native_bf16() and parameters > SMALL else "no"


def _native_bf16() -> bool:
    capabilities = getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.10 does not tell
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
