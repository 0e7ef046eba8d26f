"""What goes wrong between irltui and vLLM, told by name. Knows no transport."""

from __future__ import annotations

import importlib
from typing import Any

from irltui.api import TrainingError


class VllmError(TrainingError):
    """vLLM cannot be reached, refuses, or answers something else than was asked for."""


def imported(module: str) -> Any:
    """A module of vLLM.

    Raises:
        VllmError: vLLM is missing, or has no such module.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise VllmError(
            f"{module} cannot be imported: {error}",
            "Install vLLM 0.29 or newer beside irltui: pip install 'irltui-vllm[vllm]'. "
            'Sampler vllm/server with weights = "disk" needs none here.',
        ) from error
