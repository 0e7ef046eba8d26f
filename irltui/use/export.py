"""`irltui export`: a run's result, or one of its outer iterations, as a folder to use and share.

A transformers folder with a model card; with LoRA also the adapter, with RFT the reward. Only reads the run folder,
even while an engine is running.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path, PurePath

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from irltui.config.load import recorded
from irltui.config.requests import ExportRequest
from irltui.config.schema import RunConfig
from irltui.console import out as say
from irltui.console import out_json, talk
from irltui.engine.checkpoint import read_position
from irltui.engine.export import whole, write_adapter, write_model
from irltui.errors import CheckpointError, ExportError, OptionError, RunFolderError
from irltui.lm.exported import expected_of
from irltui.lm.load import generation_defaults, quiet_transformers
from irltui.runs.checkpoints import damage, newest_first
from irltui.runs.durable import room
from irltui.runs.folder import RunFolder, open_own, open_run_folder
from irltui.runs.manifest import read_manifest
from irltui.runs.seal import damage_of, seal, sealed_files
from irltui.runs.status import read_status
from irltui.use.card import Exported, write_card
from irltui.use.hub import push
from irltui.use.learned import load_checkpoint

RESULT, BEST, LAST = "result", "best", "last"
_PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle"}  # loading one can run any code


def main(request: ExportRequest) -> None:
    """Write a transformers folder with tokenizer and card, and adapter/ and reward/ where the run has them."""
    quiet_transformers()
    folder, target = open_run_folder(request.run), request.out
    if target.exists():
        raise RunFolderError(f"{target}: already exists", "Choose another --out, or delete the folder.")
    config = recorded(read_manifest(folder).config)
    if not request.merge and config.adapter.kind == "off":
        raise RunFolderError(f"{folder.path}: --no-merge: the run has no adapter", "Omit --no-merge.")
    exported = _export(folder, config, request)
    written = {"model": str(target), **{p: str(target / p) for p in ("adapter", "reward") if (target / p).is_dir()}}
    if request.hub:
        listed = "".join(f"\n  {path.relative_to(target)}" for path in sorted(target.rglob("*")) if path.is_file())
        talk(f"pushing {target} to {request.hub}:{listed}")
        written["hub"] = push(target, request.hub, private=not request.public)
    if request.as_json:
        place = {"checkpoint": exported.checkpoint, "outer_iterations": exported.outer_iterations}
        out_json({"reward": "", "adapter": "", **written, **place, "card": str(target / "README.md")})
    else:
        say("\n".join(f"{what:<8} {where}" for what, where in {**written, "card": target / "README.md"}.items()))


def _export(run: RunFolder, config: RunConfig, request: ExportRequest) -> Exported:
    """Write to a temporary folder and rename it, so that the target is complete or absent."""
    target, iteration = request.out, request.iteration
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as folder:
            if iteration == RESULT:
                place = _copy_result(run, folder, request)
            else:
                name = find_checkpoint(run, iteration)
                talk(f"exporting checkpoint {name} of {run.path}")
                _write_checkpoint(folder, config, run.checkpoints / name, request)
                reached = read_position(run.checkpoints / name)
                place = Exported(name, reached.t, reached.step, is_best=iteration == BEST)
            if request.dtype:
                _cast(folder, request.dtype)
            for part in (folder / "adapter", folder / "reward", folder):
                seal(part)  # before the card is written, which is meant to be edited
            write_card(folder, run, place)
            for file in folder.rglob("*"):
                if file.is_file():  # safetensors writes files that only their owner can read
                    shutil.copymode(folder / "README.md", file)
    except (OSError, SafetensorError) as error:
        raise RunFolderError(
            f"{target}: cannot be written: {error}; {room(target.parent)}", "Make room, or choose another --out."
        ) from error
    return place


def find_checkpoint(run: RunFolder, iteration: str) -> str:
    """The name of the requested checkpoint, verified."""
    names = newest_first(run) if run.checkpoints.is_dir() else []
    good = [name for name in names if not damage(run.checkpoints / name)]
    if not good:
        raise CheckpointError(f"{run.path}: has no usable checkpoint", "One is saved after each outer iteration.")
    if iteration == LAST:
        return good[0]
    wanted = iteration
    if iteration == BEST:
        name = read_position(run.checkpoints / good[0]).best_checkpoint
        if not name:
            raise CheckpointError(
                f"{run.path}: no completed outer iteration has held-out figures, so none is best",
                "Use --iteration last, or hold out demonstrations with data.held_out.",
            )
    elif iteration.isdecimal():
        name, wanted = f"{int(iteration):04d}-000000", f"after outer iteration {iteration}"
    elif iteration.replace("-", "").isdecimal():
        name = iteration
    else:
        raise OptionError(
            f"--iteration {iteration}: no such iteration",
            "Use result, best, last, a number such as 2, or the name of a checkpoint such as 0002-000000.",
        )
    if name in good:
        return name
    problem = damage(run.checkpoints / name) if name in names else "not kept"
    ends = [str(int(name.split("-")[0])) for name in reversed(good) if name.endswith("-000000")]
    listed = f"Kept after outer iterations: {', '.join(ends) or 'none'}"
    hint = f"{listed}. checkpoint.keep sets how many of the newest are kept."
    raise CheckpointError(f"{run.path}: the checkpoint {wanted} ({name}): {problem}", hint)


def _copy_result(run: RunFolder, folder: Path, request: ExportRequest) -> Exported:
    if not run.model.is_dir():
        raise RunFolderError(
            f"{run.path}: no result yet (the run is {read_status(run).state})",
            f"Finish it (irltui run --resume {run.path}), or export its newest checkpoint with --iteration last.",
        )
    talk(f"exporting the result of {run.path}")
    parts = {"adapter": run.adapter, "reward": run.reward}
    _copy(run.model if request.merge else run.adapter, folder)
    for name, source in parts.items():
        if source.is_dir() and (request.merge or name != "adapter"):
            (folder / name).mkdir()
            _copy(source, folder / name)
    return Exported()


def _copy(source: Path, target: Path) -> None:
    """The sealed files of a result, without pickled weights and model cards."""
    for name, reason in damage_of(source).items():
        raise ExportError(
            f"{source / name}: {reason}", "Export the newest checkpoint, which has its own seal: --iteration last."
        )
    for name in sealed_files(source):
        if PurePath(name).suffix not in _PICKLED and name != "README.md":
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(open_own(source / name, os.O_RDONLY), "rb") as old, (target / name).open("xb") as new:
                shutil.copyfileobj(old, new, 1 << 20)


def _write_checkpoint(folder: Path, config: RunConfig, checkpoint: Path, request: ExportRequest) -> None:
    parts = load_checkpoint(config, checkpoint)
    policy, reward = parts.policy, parts.reward
    defaults = generation_defaults(config.model)
    if reward is not None:
        with whole(folder / "reward") as inner:
            reward.export(inner)
    expected = expected_of(policy)
    adapter = folder / "adapter" if request.merge else folder
    if policy.is_adapted:
        adapter.mkdir(exist_ok=True)
        write_adapter(adapter, policy, config, defaults)
        (adapter / "README.md").unlink(missing_ok=True)
    if request.merge or not policy.is_adapted:
        write_model(folder, policy, config, defaults, expected, adapter)


def _cast(folder: Path, dtype: str) -> None:
    """Convert all weights of the folder, and the configurations that name their type."""
    wanted: torch.dtype = getattr(torch, dtype)
    for file in folder.rglob("*.safetensors"):
        tensors = {n: t.to(wanted) if t.is_floating_point() else t for n, t in load_file(file).items()}
        if over := [n for n, t in tensors.items() if t.is_floating_point() and not t.isfinite().all()]:
            raise ExportError(f"--dtype {dtype}: {over[0]} has values too large for it", "Use --dtype bfloat16.")
        save_file(tensors, file, metadata={"format": "pt"})
    for file in folder.rglob("config.json"):
        values = json.loads(file.read_text(encoding="utf-8"))
        values.pop("torch_dtype", None)
        file.write_text(json.dumps({**values, "dtype": dtype}, indent=2) + "\n", encoding="utf-8")
    for file in folder.rglob("*.safetensors.index.json"):
        index = json.loads(file.read_text(encoding="utf-8"))
        shards = {file.parent / name for name in index["weight_map"].values()}
        size = sum(t.numel() * t.element_size() for shard in shards for t in load_file(shard).values())
        index["metadata"] = {**index.get("metadata", {}), "total_size": size}
        file.write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")
