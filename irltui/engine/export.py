"""The result of a run: folders that `from_pretrained` loads, whole or absent."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from irltui.config.schema import RunConfig
from irltui.distributed import ranks
from irltui.engine.assemble import Parts
from irltui.errors import RunFolderError
from irltui.runs.durable import room, sync_file, sync_folder
from irltui.runs.folder import RunFolder


def export(run: RunFolder, parts: Parts) -> Path:
    """Write model/ (and adapter/ for LoRA, reward/ for RFT) with tokenizer and generation config. Collective.

    Raises:
        RunFolderError: the disk refuses; the checkpoints stay, so the run can be resumed to export again.
    """
    with parts.policy.gathered(), nullcontext() if parts.reward is None else parts.reward.gathered():
        return ranks.from_first(lambda: _export(run, parts))


def _export(run: RunFolder, parts: Parts) -> Path:
    policy = parts.policy
    try:
        if parts.reward is not None:
            with whole(run.reward) as folder:
                parts.reward.export(folder)
        if policy.is_adapted:
            _write(run.adapter, policy.model, parts)
            # Merging cannot be undone exactly, and nothing trains after it.
            _write(run.model, policy.model.merge_and_unload(), parts)
        else:
            _write(run.model, policy.model, parts)
    except (OSError, SafetensorError) as error:
        size = sum(p.numel() * p.element_size() for p in policy.model.parameters())
        raise RunFolderError(
            f"{run.model}: cannot write the result: {error}; {room(run.path, size)}",
            "Make room, then continue with --resume: the checkpoints are kept.",
        ) from error
    return run.model


def write_model(folder: Path, model: Any, tokenizer: Any, generation_config: Any) -> None:
    """What `from_pretrained` wants, into a folder that is there."""
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    generation_config.save_pretrained(folder)


def keep_template(config: RunConfig, folder: Path) -> None:
    """A chat template from a file goes with the model that learned by it."""
    template = Path(config.data.template).expanduser()
    if config.data.template not in {"auto", "none"} and template.is_file():
        shutil.copyfile(template, folder / "chat_template.jinja")


@contextmanager
def whole(folder: Path) -> Generator[Path]:
    """A new folder to write into, which replaces `folder` at the end; one that stays empty is not kept."""
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        if any(beside.iterdir()):
            _move(beside, folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _write(folder: Path, model: Any, parts: Parts) -> None:
    with whole(folder) as beside:
        write_model(beside, model, parts.policy.tokenizer, parts.generation_config)
        keep_template(parts.config, beside)


def _move(beside: Path, folder: Path) -> None:
    for path in beside.rglob("*"):
        if path.is_file():
            sync_file(path)
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)
    sync_folder(folder.parent)
