"""Handling of failed steps: store the batch for replay; after out-of-memory, halve the micro-batch."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from irltui.api import Batch, Demonstration, Known, Prompt, Responses, Row
from irltui.distributed import ranks
from irltui.engine.position import Position
from irltui.engine.trained import Trained, Whole
from irltui.errors import IrltuiError, RunFolderError
from irltui.lm.policy import LanguageModelPolicy
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder

_BATCH, _ABOUT = "batch.safetensors", "fault.json"
_FIELDS = ("input_ids", "attention_mask", "response_mask", "logp_ref")
_OF_ROWS = ("weight", "differs")
_KNOWN = "rows"  # what parts may know of them, as JSON in bytes


def keep_step(
    run: RunFolder,
    trained: Trained,
    position: Position,
    batches: Sequence[Batch],
    error: IrltuiError,
    *,
    is_policy_step: bool = False,
) -> Path | None:
    """Write the micro-batches of a failed step and the weights that it met, for `irltui debug batch`.

    Each rank that failed writes its own; where weights are sharded, all are here, and the first writes for all.

    Returns:
        The folder; None where the disk refuses, for the failure itself matters more.
    """
    about = {
        "step": position.step,
        "outer_iteration": position.t,
        "inner_step": position.k,
        "policy_step": position.s if is_policy_step else None,
        "reason": error.message,
    }
    if not trained.is_sharded:
        with trained.gathered(keep=True) as whole:
            name = position.name if ranks.is_first() else f"{position.name}-rank{ranks.index()}"
            return _kept(run.faults / name, whole, about, _tensors(batches))
    everyone = [batch for some in ranks.gather([_tensors(batches)]) for batch in some]
    with trained.gathered(keep=ranks.is_first()) as whole:
        return ranks.from_first(lambda: _kept(run.faults / position.name, whole, about, everyone))


def _tensors(batches: Sequence[Batch]) -> list[dict[str, Tensor]]:
    return [
        {name: getattr(batch.responses, name).cpu() for name in _FIELDS}
        | {name: value.cpu() for name in _OF_ROWS if (value := getattr(batch, name, None)) is not None}
        | {_KNOWN: _in_bytes(batch.responses.rows)}
        for batch in batches
    ]


def _in_bytes(rows: Sequence[Row]) -> Tensor:
    known = [
        {
            "id": row.source.id,
            "text": row.prompt,
            "messages": row.messages if row.is_chat else row.messages[0]["content"],
            "columns": dict(row.columns),
            "demonstration": row.demonstration and [row.demonstration.text, row.demonstration.tokens],
        }
        for row in rows
    ]
    return torch.frombuffer(bytearray(json.dumps(known, default=repr).encode()), dtype=torch.uint8)


def _from_bytes(stored: Tensor, responses: Responses, decode: Callable[[Sequence[int]], str]) -> list[Row]:
    """The rows again, each with its ids in the batch."""
    rows = []
    for i, known in enumerate(json.loads(bytes(stored.cpu().tolist()))):
        ids, response = responses.input_ids[i], responses.response_mask[i]
        prompt = Prompt(known["id"], known["text"], tuple(ids[responses.attention_mask[i] & ~response].tolist()))
        told = known["demonstration"]
        shown = Demonstration(prompt.id, prompt, told[0], tuple(told[1]), ended=True) if told else None
        source = replace(prompt, known=partial(Known, known["messages"], known["columns"], shown))
        rows.append(Row(source, tuple(ids[response].tolist()), decode))
    return rows


def _kept(folder: Path, whole: Whole, about: Mapping[str, Any], batches: Sequence[Mapping[str, Tensor]]) -> Path | None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tensors = {f"{i}.{name}": t.contiguous() for i, batch in enumerate(batches) for name, t in batch.items()}
        save_file(tensors, folder / _BATCH)
        whole.save(folder)
        replace_json(folder / _ABOUT, about)
    except (OSError, SafetensorError):
        return None
    return folder


def read_fault(folder: Path) -> dict[str, Any]:
    """Where and why the step failed: `step`, `outer_iteration`, `inner_step`, `policy_step` or None, `reason`.

    Raises:
        RunFolderError: there is no step kept here.
    """
    try:
        value = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        hint = "Failed steps are stored in RUN/faults/; a run without failures has none."
        raise RunFolderError(f"{folder}: no failed step is stored here: {error}", hint) from error
    return value if isinstance(value, dict) else {}


def kept_batches(folder: Path, policy: LanguageModelPolicy) -> list[Batch]:
    """The micro-batches of a step that `keep_step` wrote.

    Those of SFT have demonstrations alone, those of a policy step generations alone.

    Raises:
        OSError: they are not there.
    """
    stored = load_file(folder / _BATCH, device=str(policy.device))
    count = 1 + max((int(name.partition(".")[0]) for name in stored), default=-1)

    def made(i: int) -> Batch:
        responses = Responses(*(stored[f"{i}.{field}"] for field in _FIELDS), rows=())
        rows = _from_bytes(stored[f"{i}.{_KNOWN}"], responses, policy.decode)
        weight, differs = stored[f"{i}.weight"], stored.get(f"{i}.differs")
        return Batch(replace(responses, rows=rows), weight, last=i == count - 1, differs=differs)

    return list(map(made, range(count)))


@dataclass
class MicroBatch:
    """How many pairs a forward pass has; fewer after memory ran out."""

    size: int

    def halve(self) -> bool:
        """Halve the size and free memory; False if it cannot be halved."""
        if self.size < 2:
            return False
        self.size //= 2
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return True
