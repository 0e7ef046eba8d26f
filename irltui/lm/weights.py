"""Checks of a model that has just been loaded: its files hold exactly its weights, and all of them are finite."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import nn

from irltui.errors import ModelError

# Buffers that older versions of transformers saved; they hold no weights.
_OLD_BUFFERS = re.compile(r"(rotary_emb\.inv_freq|position_ids|(attn|attention)\.(masked_)?bias)$")
_HEADS = re.compile(r"(^|\.)(score|classifier|classification_head|v_head|value_head|reward_head|qa_outputs)\.")
_WRAPPERS = {
    "_orig_mod.": "torch.compile",
    "module.": "DistributedDataParallel or DeepSpeed",
    "_fsdp_wrapped_module.": "FSDP",
    "base_model.model.": "peft",
    "_forward_module.": "Lightning",
}


def check_accounted(name: str, model: Any, report: Mapping[str, Any]) -> None:
    """Refuse a model whose files lack weights, hold others, or hold them in other shapes.

    `report` is what `from_pretrained(..., output_loading_info=True)` returned.

    Raises:
        ModelError: naming the first such weight, how many there are, and what they look like.
    """
    missing = sorted(report["missing_keys"])
    unexpected = sorted(key for key in report["unexpected_keys"] if not _OLD_BUFFERS.search(key))
    mismatched = sorted(report["mismatched_keys"])
    kind = type(model).__name__
    if mismatched:
        weight, found, wanted = mismatched[0]
        raise ModelError(
            f"model.name: {name}: {weight} has shape {_shape(found)} in the file, but config.json asks for "
            f"{_shape(wanted)} ({_count(mismatched)} of another shape)",
            "config.json and the weights belong to different models: take both from the same one.",
        )
    if not (missing or unexpected):
        return
    problems = [
        *([f"lack {missing[0]} ({_count(missing)} missing)"] if missing else []),
        *([f"hold {unexpected[0]}, which {kind} has not ({_count(unexpected)} unexpected)"] if unexpected else []),
    ]
    raise ModelError(f"model.name: {name}: the weights {' and '.join(problems)}", _remedy(model, missing, unexpected))


def check_finite(name: str, model: nn.Module) -> None:
    """Refuse a model with a weight that is NaN or infinite. Reads every weight once and allocates nothing.

    Raises:
        ModelError: naming the first such weight.
    """
    broken = [key for key, parameter in model.named_parameters() if not _is_finite(parameter)]
    if broken:
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise ModelError(
            f"model.name: {name}: the weights hold NaN or infinity ({broken[0]}{more})",
            "A broken merge or an overflow in float16 does this. Make the model again, or take another copy of it.",
        )


def _is_finite(parameter: torch.Tensor) -> bool:
    if not (parameter.is_floating_point() and parameter.numel()) or parameter.is_meta or parameter.itemsize < 2:
        return True
    return all(bool(bound.isfinite()) for bound in parameter.detach().aminmax())


def _remedy(model: Any, missing: Collection[str], unexpected: Collection[str]) -> str:
    """The remedy for such weights, as far as their names reveal their origin."""
    wrapped = next((mark for mark in _WRAPPERS if any(mark in key for key in unexpected)), None)
    if wrapped is not None:
        return (
            f'The names in the file contain "{wrapped}": the model was saved inside the wrapper of '
            f"{_WRAPPERS[wrapped]}. Save the model inside it, or rename the weights."
        )
    if any(".lora_" in key or ".base_layer." in key for key in unexpected):
        return "The file holds adapters that are not merged: call merge_and_unload() and save the result."
    if any(_HEADS.search(key) for key in unexpected):
        return "This is a classifier or a reward model, not a language model: name the model it was made from."
    head = model.get_output_embeddings()
    heads = {key for key, value in model.named_parameters() if head is not None and value is head.weight}
    if missing and set(missing) <= heads:
        return (
            "The output layer is missing: save the model with AutoModelForCausalLM instead of AutoModel; "
            'if its embeddings are tied, config.json should say "tie_word_embeddings": true.'
        )
    return "Is the folder complete, and does config.json belong to these weights (num_hidden_layers and the like)?"


def _count(keys: Collection[Any]) -> str:
    return f"{len(keys)} {'weight' if len(keys) == 1 else 'weights'}"


def _shape(sizes: Collection[int]) -> str:
    return " x ".join(map(str, sizes))
