"""Reload the initial policy whenever it is needed, with weights mapped from the files that it came from.

A run needs it once or more in every outer iteration. The operating system reclaims mapped pages when memory is short,
so pi_0 costs no memory between two uses. transformers would look the files up again each time, on a hub over the
network.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import try_to_load_from_cache
from safetensors import SafetensorError, safe_open
from torch import Tensor

from irltui.config.schema import ModelSection
from irltui.errors import ModelError
from irltui.lm.kernels import use_liger
from irltui.lm.load import load_model, model_source

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_FIRST = 1 << 10  # numbers


def initial_loader(section: ModelSection, model: Any) -> Callable[[], Any]:
    """A function that reloads pi_0 like `load_model`, from the files that `model` has just been loaded from.

    Returns:
        A function that raises ModelError if the files have changed since; `load_model` itself where the weights are
        not in plain safetensors files alone.
    """
    files = _weight_files(section)
    named = getattr(model.config, "transformers_weights", None)  # other files than the usual ones
    is_more = named or getattr(model, "is_quantized", False)
    if is_more or not files:
        return partial(load_model, section)
    seen = {file: _stamp(file) for file in files}
    kind, config, dtype = type(model), copy.deepcopy(model.config), getattr(torch, section.dtype)

    # Mapped once: safetensors loses 64 bytes for each tensor that it reads.
    weights = {name: tensor for file in files for name, tensor in _mapped(file).items()}

    def load() -> Any:
        for file, before in seen.items():
            if _stamp(file) != before:
                raise ModelError(
                    f"{file}: has changed since the run began: the initial policy would be another one",
                    "Put the file back and continue with --resume, or start anew. Do not train into the folder of a "
                    "model that a run starts from.",
                )
        made = kind.from_pretrained(None, config=copy.deepcopy(config), state_dict=dict(weights), dtype=dtype).eval()
        if section.kernels == "liger":
            use_liger(made)
        return made

    return load


def weights_digest(section: ModelSection) -> str:
    """The same for the same weights, whichever files they are in: of the first bytes of each tensor.

    Returns:
        Hexadecimal digits; "" where the weights are not in safetensors files alone, or not here.
    """
    found: dict[str, bytes] = {}
    try:
        for file in _weight_files(section):
            for name, tensor in _mapped(file).items():
                begin = tensor.reshape(-1)[:_FIRST].view(torch.uint8).numpy().tobytes()
                found[name] = f"{name} {tensor.dtype} {list(tensor.shape)} ".encode() + begin
    except (OSError, SafetensorError, ModelError):
        return ""
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(found):
        digest.update(found[name])
    return digest.hexdigest() if found else ""


def _mapped(file: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on its bytes as the operating system maps them."""
    with safe_open(file, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no mapping


def _stamp(file: Path) -> tuple[int, int]:
    """Size and time of change, which differ once a file is rewritten.

    Raises:
        ModelError: it is gone.
    """
    try:
        stat = file.stat()
    except OSError as error:
        raise ModelError(
            f"{file}: cannot be read any more: {error}", "Put it back, then continue with --resume."
        ) from error
    return stat.st_size, stat.st_mtime_ns


def _weight_files(section: ModelSection) -> list[Path]:
    """The safetensors files that the model's weights are in, as transformers chooses them; none if there are others."""
    if (whole := _find(section, _WHOLE)) is not None:
        return [whole]
    if (index := _find(section, _INDEX)) is None:
        return []
    try:
        names = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    files = [file for name in names if (file := _find(section, str(name))) is not None]
    return files if len(files) == len(names) else []


def _find(section: ModelSection, name: str) -> Path | None:
    """A file of the model: in its folder, or in the hub's cache."""
    source = model_source(section)
    if Path(source).is_dir():
        file = Path(source) / name
        return file if file.is_file() else None
    found = try_to_load_from_cache(source, name, revision=section.revision)
    return Path(found) if isinstance(found, str) else None
