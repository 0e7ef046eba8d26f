"""Whether an exported folder, loaded afresh by plain transformers, is the model that was trained."""

from __future__ import annotations

from collections.abc import Collection
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList

from irltui.distributed import ranks
from irltui.errors import ExportError, ModelError
from irltui.lm.load import LOADING_ERRORS
from irltui.lm.policy import LanguageModelPolicy
from irltui.lm.weights import check_accounted

_ROWS, _LENGTH = 4, 16
_MOST = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}  # difference of logits over their spread
_PORTABLE = {"eager", "sdpa", None}
_PROBE = "irltui: does it read the same text as before?"
_HINT = (
    "Nothing was written, and the checkpoints are kept. Please report this with the model's name; --resume and "
    "`irltui export RUN --iteration last` try again."
)


@dataclass(frozen=True)
class Expected:
    """What the policy that was trained computes.

    Attributes:
        rows: (rows, tokens) ids.
        logits: (rows, tokens, vocabulary) float32 on the CPU.
        dtype: the lowest type of number that they were computed in.
        device: where the exported model is to be tried.
        attention: the implementation of attention; None where plain transformers may choose.
    """

    rows: Tensor
    logits: Tensor
    dtype: torch.dtype
    device: torch.device
    attention: str | None


def expected_of(policy: LanguageModelPolicy) -> Expected:
    """The logits of a few fixed rows, adapters included. Collective if the model is sharded."""
    ids = torch.arange(_ROWS)[:, None] * 13 + torch.arange(_LENGTH) * 7 + 3
    rows = ids % policy.vocabulary
    attention = getattr(policy.model.config.get_text_config(), "_attn_implementation", None)
    is_plain = policy.sharding is None and attention in _PORTABLE
    is_quantised = getattr(policy.model, "is_quantized", False)
    dtype = torch.bfloat16 if is_quantised else policy.model.get_input_embeddings().weight.dtype
    with nullcontext() if is_plain else policy.autocast(), ranks.noticing():
        kind = policy.device.type
        if torch.is_autocast_enabled(kind):
            dtype = torch.get_autocast_dtype(kind)
        logits = _logits(policy.model, rows.to(policy.device))
    policy.moved()
    device = policy.device if policy.sharding is None else torch.device("cpu")  # it may not fit one device
    return Expected(rows, logits, dtype, device, attention if attention in _PORTABLE else None)


def free_memory(model: Any) -> None:
    """Free the memory of a model that is written and no longer needed."""
    for parameter in model.parameters():
        parameter.grad = None
        parameter.data = parameter.data.new_empty(0)
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def verify(folder: Path, expected: Expected, tokenizer: Any, ends: Collection[int], *, trust_remote_code: bool) -> None:
    """Load the folder with plain transformers, and compare; a generation must stop at each of `ends`.

    Raises:
        ExportError: it cannot be loaded, computes something else, reads text differently, or does not stop.
    """
    try:
        theirs: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust_remote_code)
        model, report = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype="auto",
            attn_implementation=expected.attention,
            trust_remote_code=trust_remote_code,
            use_safetensors=True,
            output_loading_info=True,
        )
        check_accounted(str(folder), model, report)
    except ModelError as error:
        raise _failed(error.message) from error
    except LOADING_ERRORS as error:
        raise _failed(f"transformers cannot load it: {error}") from error
    if theirs(_PROBE)["input_ids"] != tokenizer(_PROBE)["input_ids"]:
        raise _failed("its tokenizer gives other ids than the one that was trained with")
    model.eval().to(expected.device)
    _compare(model, expected)
    row = expected.rows[:1].to(expected.device)
    goes_on = next(token for token in range(expected.logits.shape[-1]) if token not in ends)
    for end in sorted(ends):
        _stops_at(end, goes_on, model, row)


def _compare(model: Any, expected: Expected) -> None:
    found = _logits(model, expected.rows.to(expected.device))
    if found.shape != expected.logits.shape:
        raise _failed(f"it has {found.shape[-1]} logits per token instead of {expected.logits.shape[-1]}")
    limit = max(_MOST.get(kind, max(_MOST.values())) for kind in (expected.dtype, model.dtype))
    centred = expected.logits - expected.logits.mean(-1, keepdim=True)
    apart = float((found - expected.logits).square().mean().sqrt() / centred.square().mean().sqrt().clamp(min=1e-6))
    if not apart <= limit:
        raise _failed(f"its logits differ from those of the trained policy by {apart:.2%} (at most {limit:.2%})")


def _stops_at(end: int, goes_on: int, model: Any, row: Tensor) -> None:
    """`generate` by the folder's own generation_config.json; the second new token is made to be `end`."""
    length = row.shape[1]

    def dictated(so_far: Tensor, scores: Tensor) -> Tensor:
        only = torch.full_like(scores, float("-inf"))
        only[:, goes_on if so_far.shape[1] == length else end] = 0.0
        return only

    try:
        with torch.no_grad():
            made = model.generate(
                row,
                attention_mask=torch.ones_like(row),
                max_new_tokens=5,
                logits_processor=LogitsProcessorList([dictated]),
            )
    except LOADING_ERRORS as error:
        raise _failed(f"transformers' generate fails with it: {type(error).__name__}: {error}") from error
    if made.shape[1] != length + 2:
        raise _failed(f"transformers' generate does not stop at token {end}, which ends a response")


def _logits(model: Any, rows: Tensor) -> Tensor:
    with torch.no_grad():
        return model(input_ids=rows, attention_mask=torch.ones_like(rows), use_cache=False).logits.float().cpu()


def _failed(reason: str) -> ExportError:
    return ExportError(f"the exported model is not the one that was trained: {reason}", _HINT)
