"""QLoRA: a frozen base in 4 bits (NF4, quantised twice) by bitsandbytes, under adapters that train."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from transformers import BitsAndBytesConfig
from transformers.utils import is_bitsandbytes_available

from irltui.config.schema import ModelSection, RunConfig
from irltui.errors import ConfigError

_OFF = 'Set model.quantization = "off".'


def require_4bit() -> None:
    """Refuse 4-bit bases where they cannot be had; nothing falls back on its own."""
    if not torch.cuda.is_available():
        raise ConfigError('model.quantization: "4bit" needs a CUDA device, and there is none here', _OFF)
    if not is_bitsandbytes_available():
        raise ConfigError(
            "model.quantization: bitsandbytes is not installed",
            f"Install it: pip install 'irltui[quantized]'. Or: {_OFF}",
        )


def check_trainable(config: RunConfig) -> None:
    """Refuse to train 4-bit weights themselves, or to shard them over processes."""
    if config.model.quantization == "off":
        return
    if config.adapter.kind == "off":
        raise ConfigError(
            "model.quantization: 4-bit weights cannot be trained themselves",
            f'Set adapter.kind = "lora". Or: {_OFF}',
        )
    if config.model.shard != "off":
        raise ConfigError(
            "model.quantization: 4-bit weights cannot be sharded over processes", f'Set model.shard = "off". Or: {_OFF}'
        )


def load_options(section: ModelSection) -> dict[str, Any]:
    """`from_pretrained`'s options for a 4-bit base on this process's device; none for any other."""
    if section.quantization == "off":
        return {}
    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.float32 if section.precision == "float32" else torch.bfloat16,
    )
    return {"quantization_config": config, "device_map": {"": PartialState().device or torch.device("cpu")}}


def merged_in_full(base: Any, adapter: Path, dtype: torch.dtype) -> Any:
    """The base that the adapter, a peft folder, was trained on: no longer in 4 bits, with the adapter merged.

    Merging into 4-bit weights would round the adapter away; merging into the weights that they were made from would
    be another policy than the one that was trained.
    """
    from peft import PeftModel

    return PeftModel.from_pretrained(base.dequantize(dtype=dtype), str(adapter)).merge_and_unload().to(dtype)
