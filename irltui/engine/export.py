"""The result of a run: folders that `from_pretrained` loads, whole or absent."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from irltui.api import Reward
from irltui.engine.parts import Parts
from irltui.errors import RunFolderError
from irltui.runs.durable import sync_file, sync_folder
from irltui.runs.folder import RunFolder


def export(run: RunFolder, parts: Parts) -> Path:
    """Write model/ (and adapter/ for LoRA, reward/ for RFT) with tokenizer and generation config.

    Raises:
        RunFolderError: the disk refuses; the checkpoints stay, so the run can be resumed to export again.
    """
    policy = parts.policy
    try:
        if parts.reward is not None:
            _export_reward(run.reward, parts.reward)
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
    beside = _beside(folder)
    model.save_pretrained(beside, safe_serialization=True)
    parts.policy.tokenizer.save_pretrained(beside)
    parts.generation_config.save_pretrained(beside)
    _move(beside, folder)


def _export_reward(folder: Path, reward: Reward) -> None:
    beside = _beside(folder)
    beside.mkdir()
    reward.export(beside)
    if any(beside.iterdir()):
        _move(beside, folder)
    else:  # the policy is all there is of this reward
        beside.rmdir()


def _beside(folder: Path) -> Path:
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    return beside


def _move(beside: Path, folder: Path) -> None:
    for path in beside.rglob("*"):
        if path.is_file():
            sync_file(path)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    sync_folder(folder.parent)
