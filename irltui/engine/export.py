"""The result of a run: folders that `from_pretrained` loads, whole or absent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from irltui.engine.parts import Parts
from irltui.errors import RunFolderError
from irltui.runs.durable import sync_file, sync_folder
from irltui.runs.folder import RunFolder


def export(run: RunFolder, parts: Parts) -> Path:
    """Write model/ (and adapter/ for LoRA) with tokenizer and generation config.

    Raises:
        RunFolderError: the disk refuses; the checkpoints stay, so the run can be resumed to export again.
    """
    policy = parts.policy
    try:
        if policy.is_adapted:
            _replace(run.adapter, policy.model, parts)
            # Merging cannot be undone exactly, and nothing trains after it.
            _replace(run.model, policy.model.merge_and_unload(), parts)
        else:
            _replace(run.model, policy.model, parts)
    except OSError as error:
        raise RunFolderError(f"{run.path}: cannot write the result: {error}", "Make room, then --resume.") from error
    return run.model


def _replace(folder: Path, model: Any, parts: Parts) -> None:
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    model.save_pretrained(beside, safe_serialization=True)
    parts.policy.tokenizer.save_pretrained(beside)
    parts.generation_config.save_pretrained(beside)
    for path in beside.rglob("*"):
        if path.is_file():
            sync_file(path)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    sync_folder(folder.parent)
