"""The result of a run: folders that `from_pretrained` loads, whole or absent."""

from __future__ import annotations

import json
import shutil
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from irltui.config.schema import RunConfig
from irltui.config.trust import trust_model
from irltui.distributed import ranks
from irltui.engine.assemble import Parts
from irltui.errors import RunFolderError
from irltui.lm.companions import copy_companions
from irltui.lm.exported import Expected, expected_of, free_memory, verify
from irltui.lm.load import load_again
from irltui.lm.policy import LanguageModelPolicy
from irltui.lm.quantized import merged_in_full
from irltui.runs.durable import room, sync_folder
from irltui.runs.folder import RunFolder
from irltui.runs.seal import seal


def export(run: RunFolder, parts: Parts) -> Path:
    """Write model/ (and adapter/ for LoRA, reward/ for RFT), each with its seal. Collective.

    The policy's weights are given back in between: nothing trains after it.

    Raises:
        RunFolderError: the disk refuses; the checkpoints stay, so the run can be resumed to export again.
        ExportError: what was written is not the policy that was trained; model/ is not there then.
    """
    expected = expected_of(parts.policy)
    with parts.policy.gathered(), nullcontext() if parts.reward is None else parts.reward.gathered():
        return ranks.from_first(lambda: _export(run, parts, expected))


def _export(run: RunFolder, parts: Parts, expected: Expected) -> Path:
    policy = parts.policy
    size = sum(p.numel() * p.element_size() for p in policy.model.parameters())
    try:
        if parts.reward is not None:
            with whole(run.reward) as folder:
                parts.reward.export(folder)
                seal(folder)
        if policy.is_adapted:
            with whole(run.adapter) as folder:
                write_adapter(folder, policy, parts.config, parts.generation_config)
                seal(folder)
        with whole(run.model) as folder:
            write_model(folder, policy, parts.config, parts.generation_config, expected, run.adapter)
            seal(folder)
        if parts.config.model.trust_remote_code:  # the same code, as it was copied
            trust_model(str(run.model), parts.config.model.revision)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(
            f"{run.model}: cannot write the result: {error}; {room(run.path, size)}",
            "Make room, then continue with --resume: the checkpoints are kept.",
        ) from error
    return run.model


def write_adapter(folder: Path, policy: LanguageModelPolicy, config: RunConfig, generation_config: Any) -> None:
    """A peft folder, with the tokenizer, into a folder that is there."""
    _save(folder, policy.model, policy, generation_config)
    _keep_template(config, folder)


def write_model(
    folder: Path,
    policy: LanguageModelPolicy,
    config: RunConfig,
    generation_config: Any,
    expected: Expected,
    adapter: Path,
) -> None:
    """All that `from_pretrained` and servers want, adapters merged, into a folder that is there; then try it.

    The policy's weights are gone afterwards. `adapter` is where `write_adapter` has written.

    Raises:
        ExportError: the folder is not the policy.
        OSError: it cannot be written.
    """
    model: Any = policy.model
    if config.model.quantization == "4bit":
        model = merged_in_full(load_again(config.model), adapter, getattr(torch, config.model.dtype))
    elif policy.is_adapted:
        model = model.merge_and_unload()
    _save(folder, model, policy, generation_config)
    copy_companions(config.model, folder, templates=not _keep_template(config, folder))
    free_memory(model)
    verify(folder, expected, policy.tokenizer, policy.eos_ids, trust_remote_code=config.model.trust_remote_code)


def _save(folder: Path, model: Any, policy: LanguageModelPolicy, generation_config: Any) -> None:
    model.save_pretrained(folder, safe_serialization=True)
    policy.tokenizer.save_pretrained(folder)
    generation_config.save_pretrained(folder)
    _name_ends(folder / "generation_config.json", policy.eos_ids)


def _name_ends(file: Path, ends: frozenset[int]) -> None:
    """Every id that ended a response in training ends one in `generate`, behind those that did before."""
    values = json.loads(file.read_text(encoding="utf-8"))
    known = values.get("eos_token_id")
    named = known if isinstance(known, list) else [] if known is None else [known]
    every = [*named, *sorted(ends - set(named))]
    if every != named:
        values["eos_token_id"] = every if len(every) > 1 else every[0]
        file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _keep_template(config: RunConfig, folder: Path) -> bool:
    """A chat template from a file goes with the model that learned by it; whether there is one."""
    template = Path(config.data.template).expanduser()
    if config.data.template in {"auto", "none"} or not template.is_file():
        return False
    shutil.copyfile(template, folder / "chat_template.jinja")
    return True


@contextmanager
def whole(folder: Path) -> Generator[Path]:
    """A new folder to write into and `seal`, which replaces `folder` at the end; one that stays empty is not kept."""
    beside = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        if any(beside.iterdir()):
            shutil.rmtree(folder, ignore_errors=True)
            beside.rename(folder)
            sync_folder(folder.parent)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
