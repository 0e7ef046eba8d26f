"""The precision of matrix products: on a CPU it is timed once per machine, because instructions that exist can be slow.

A CPU with avx512_bf16 and no AMX may multiply bfloat16 at half of float32's rate, or at three times that rate.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from irltui.config.schema import ModelSection
from irltui.runs.durable import replace_json

SMALL = 20_000_000  # parameters below which casting costs a CPU more than bfloat16 saves
PAYS = 0.9  # of float32's time: a saving below a tenth is within what another run on the machine changes
_ROWS, _WIDEST, _REPEATS = 256, 2_048, 5  # wider products run at the same rate

Widths = tuple[int, int]
"""A model's hidden width and the widest of its blocks' linear layers."""


def compute_precision(
    section: ModelSection,
    parameters: int,
    widths: Widths,
    device: torch.device,
    say: Callable[[str], None] = lambda _: None,
) -> Literal["no", "bf16"]:
    """Accelerate's name for it; "auto" is bfloat16 where it is native and, on a CPU, faster.

    `widths` of its layers are timed; `say` takes one sentence with the choice and its reason, if there was something to
    time.
    """
    if section.precision != "auto":
        return "bf16" if section.precision == "bfloat16" else "no"
    if section.dtype == "bfloat16":
        return "no"  # the weights already are
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    if device.type != "cpu" or not _native_bf16() or parameters <= SMALL:
        return "no"
    ratio = _ratio(widths)
    chosen = "bfloat16" if ratio < PAYS else "float32"
    say(
        f"precision {chosen}: a product of this model's widths takes {ratio:.2f} times as long in bfloat16 as in "
        "float32 on this CPU"
    )
    return "bf16" if ratio < PAYS else "no"


def widths_of(model: Any) -> Widths:
    hidden = model.config.get_text_config().hidden_size
    return hidden, max((max(weight.shape) for weight in linear_weights(model)), default=hidden)


def linear_weights(model: Any) -> list[nn.Parameter]:
    """The matrices that every token passes through: those of all linear layers but the output layer."""
    head = model.get_output_embeddings()
    return [module.weight for module in model.modules() if _is_linear(module) and module is not head]


def _is_linear(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.dim() == 2 and not isinstance(module, nn.Embedding)


def _native_bf16() -> bool:
    return any(_capabilities().get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))


def _capabilities() -> dict[str, Any]:
    return getattr(torch.cpu, "get_capabilities", dict)()  # torch before 2.10 does not tell


def _ratio(widths: Widths) -> float:
    """The time of bfloat16 over that of float32: timed once, then read from the user's cache folder."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "irltui" / "precision.json"
    known: dict[str, Any] = {}
    with suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(cache.read_text(encoding="utf-8")))
    hidden, inner = (min(width, _WIDEST) for width in widths)
    key = f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}, {hidden} x {inner}"
    if isinstance(known.get(key), float):
        return known[key]
    ratio = _time(hidden, inner, torch.bfloat16) / _time(hidden, inner, torch.float32)
    with suppress(OSError):
        cache.parent.mkdir(parents=True, exist_ok=True)
        replace_json(cache, {**known, key: ratio})
    return ratio


def _processor() -> str:
    """The CPU's name and what it can do: a home folder may be shared by machines that differ."""
    name = platform.processor()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        name = next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    able = sorted(name for name, has in _capabilities().items() if has is True and ("bf16" in name or "amx" in name))
    return " ".join([name or platform.machine(), *able])


def _time(hidden: int, inner: int, dtype: torch.dtype) -> float:
    """CPU seconds of a feed-forward block, forwards and backwards, casts included as in training; the best of a few.

    CPU seconds, because other processes take turns on the same cores.
    """
    stream = torch.Generator().manual_seed(0)
    rows = torch.randn(_ROWS, hidden, generator=stream)
    up, down = (torch.randn(shape, generator=stream).requires_grad_() for shape in ((inner, hidden), (hidden, inner)))
    taken = []
    for _ in range(_REPEATS):
        began = time.process_time()
        with torch.enable_grad(), torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            nn.functional.linear(nn.functional.linear(rows, up), down).sum().backward()
        taken.append(time.process_time() - began)
    return max(min(taken), 1e-9)
