"""Checkpoints that are whole or absent: written beside, every file flushed and hashed, renamed at the end.

A checkpoint holds the trained weights, the reward's and the optimizer's state, the random stream and the
position; tensors are safetensors, the rest JSON. What is sharded lies in `shards/`, a file of each rank's part;
everything else is as one process writes it. What it belongs to is the run's configuration.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn

from irltui import __version__
from irltui.api import Reward
from irltui.distributed import ranks
from irltui.distributed.parts import Parts, parts_of, read_parts, stored_shapes
from irltui.engine.position import Position
from irltui.engine.trained import (
    OPTIMIZER,
    PARAMETERS,
    REWARD,
    Trained,
    parameters_of,
    put_back,
    reward_tensors,
    save_reward,
)
from irltui.errors import CheckpointError
from irltui.runs.checkpoints import newest_first, newest_usable, position_of, run_digest, samples_lost, written_digest
from irltui.runs.durable import replace_json, sync_folder
from irltui.runs.event_lines import plain
from irltui.runs.folder import RunFolder
from irltui.runs.seal import CHECKPOINT_SEAL, FORMAT, Entries, damage_of, entries, seal
from irltui.samplers.store import set_aside_after, set_aside_damaged

_RANDOM, _RANDOM_CUDA = "random", "random_cuda"
_SHARDS = "shards"


# -- writing ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Contents:
    """What this process writes of a checkpoint, on the CPU: the first whatever is not sharded, each its own parts."""

    name: str
    whole: dict[str, dict[str, Tensor]]
    parts: dict[str, Parts]
    state: dict[str, Any]

    def write(self, folder: Path) -> Entries:
        """Write the files into a folder that all processes share; what the seal is to say of the parts.

        Raises:
            OSError, SafetensorError: the disk refuses.
        """
        for file, tensors in self.whole.items():
            (folder / file).parent.mkdir(mode=0o700, exist_ok=True)
            save_file(tensors, folder / f"{file}.safetensors")
        if self.whole:
            replace_json(folder / "state.json", self.state)
        return entries(folder, [parts.save(folder / _SHARDS / file) for file, parts in self.parts.items()])


def contents(trained: Trained, position: Position, *, copy: bool) -> Contents:
    """What a checkpoint of the position holds. Collective.

    Args:
        trained: of the run; a reward that saves itself is left out.
        position: that it has reached.
        copy: training goes on before it is written.

    Raises:
        CheckpointError: the ranks' weights differ.
    """
    fingerprints = ranks.gather([trained.fingerprint()]) if ranks.count() > 1 else []
    if len(set(fingerprints)) > 1:
        raise CheckpointError(
            f"the weights differ between processes (checksums {fingerprints}), so no checkpoint can be saved",
            "Resume from the last checkpoint. If it happens again, compare hardware and packages of the machines.",
        )
    random = _streams(ranks.gather([_random_state()]))
    whole: dict[str, dict[str, Tensor]] = {}
    parts: dict[str, Parts] = {}
    for file, tensors in trained.tensors().items():
        cut = {name: tensor for name, tensor in tensors.items() if ranks.is_sharded(tensor)}
        if cut:
            parts[file] = parts_of(cut, copy=copy)
        if ranks.is_first():
            whole[file] = {n: ranks.on_cpu(tensor, copy=copy) for n, tensor in tensors.items() if n not in cut}
    if ranks.is_first():
        whole[OPTIMIZER] |= random
    state = {"position": plain(asdict(position)), **trained.plain()}
    return Contents(position.name, whole, parts, state)


def begin(run: RunFolder, name: str, reward: Reward | None) -> Path:
    """A new folder to write a checkpoint into; a reward that saves itself has done so.

    Raises:
        OSError: the disk refuses.
    """
    folder = beside(run, name)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    if reward is not None and reward_tensors(reward) is None:
        save_reward(reward, folder)
    return folder


def finish(run: RunFolder, name: str, parts: Entries) -> int:
    """Make a checkpoint of a folder that all processes have written into, and return its bytes.

    Args:
        run: of the checkpoint.
        name: of the checkpoint.
        parts: what each process says of its own.

    Raises:
        OSError: the disk refuses.
    """
    written, folder, before = beside(run, name), run.checkpoints / name, run.checkpoints / f".{name}.old"
    version = FORMAT if parts else FORMAT - 1
    seal(written, CHECKPOINT_SEAL, parts, format=version, run=run_digest(run))
    if folder.exists():  # the same place reached again: the same contents; gigabytes take their time to be deleted
        shutil.rmtree(before, ignore_errors=True)
        folder.rename(before)
    written.rename(folder)
    sync_folder(run.checkpoints)
    shutil.rmtree(before, ignore_errors=True)
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def beside(run: RunFolder, name: str) -> Path:
    """The folder that becomes a checkpoint at its end."""
    return run.checkpoints / f".{name}.tmp"


def prune(run: RunFolder, keep: int, needed: Collection[str]) -> None:
    """Delete all but the newest `keep` and those named."""
    for name in newest_first(run)[keep:]:
        if name not in needed:
            shutil.rmtree(run.checkpoints / name, ignore_errors=True)


# -- reading ---------------------------------------------------------------------------------------


def restore(run: RunFolder, trained: Trained) -> tuple[Position | None, list[str]]:
    """Load the newest checkpoint that verifies into `trained`.

    Returns:
        Its position, None if there is no checkpoint at all; and what was skipped, with reasons.

    Raises:
        CheckpointError: there are checkpoints, but none can be used.
    """
    name, skipped = ranks.from_first(lambda: _resume_point(run))
    return None if name is None else _read(run.checkpoints / name, trained), skipped


def _resume_point(run: RunFolder) -> tuple[str | None, list[str]]:
    """The checkpoint to load; generations that it does not know of, or that are damaged, are set aside."""
    for left in run.checkpoints.glob(".*.tmp"):  # by an engine that was killed
        shutil.rmtree(left, ignore_errors=True)
    for left in run.checkpoints.glob(".*.old"):  # by one that was killed while it replaced a checkpoint
        folder = left.with_name(left.name[1:].removesuffix(".old"))
        shutil.rmtree(left, ignore_errors=True) if folder.exists() else left.rename(folder)
    name, skipped = newest_usable(run)
    if name is not None:
        set_aside_after(run.samples, read_position(run.checkpoints / name).t)
    elif reason := samples_lost(run, 0, 0):
        set_aside_after(run.samples, -1)
        skipped = [f"{reason}: sampled again"]
    return name, [*skipped, *set_aside_damaged(run.samples)]


def load_weights(folder: Path, parameters: Mapping[str, nn.Parameter], reward: Reward | None) -> None:
    """What was learned at a checkpoint, without the state that training goes on from.

    Raises:
        CheckpointError: it belongs to another model.
    """
    _fill(folder, PARAMETERS, parameters)
    if (learned := reward_tensors(reward)) is not None:
        _fill(folder, REWARD, learned)
    elif reward is not None:
        reward.load(folder / "reward")


def _fill(folder: Path, file: str, tensors: Mapping[str, Tensor]) -> None:
    """Set tensors to those of one file; of what is stored in parts, a rank reads its own.

    Raises:
        CheckpointError: they are others.
    """
    cut = stored_shapes(folder / _SHARDS / file)
    whole = load_file(folder / f"{file}.safetensors")
    if whole.keys() | cut.keys() != tensors.keys() or any(shape != tensors[n].shape for n, (shape, _) in cut.items()):
        raise CheckpointError(
            f"{folder}: belongs to another model or adapter", "Check whether the model folder was replaced."
        )
    read_parts(folder / _SHARDS / file, {name: tensors[name] for name in cut})
    for name, value in whole.items():
        ranks.put(tensors[name], value)


def weights_at(run: RunFolder, t: int, parameters: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """What outer iteration t began with, by name; None if its checkpoint is missing or damaged.

    Whole tensors; where they were stored in parts, shards like those of `parameters`. All ranks must ask.
    """
    folder = run.checkpoints / Position(t).name
    if (folder / _SHARDS / PARAMETERS).is_dir():
        if ranks.from_first(lambda: damage_of(folder, CHECKPOINT_SEAL, lambda file: PARAMETERS in file)):
            return None
        found = {name: torch.empty_like(parameter.detach()) for name, parameter in parameters.items()}
        _fill(folder, PARAMETERS, found)
        return found
    try:
        # From bytes: opening a file by name keeps some objects in safetensors at every call.
        content = (folder / f"{PARAMETERS}.safetensors").read_bytes()
    except OSError:
        return None
    whole = hashlib.sha256(content).hexdigest() == written_digest(folder, f"{PARAMETERS}.safetensors")
    return load(content) if whole else None


def read_position(folder: Path) -> Position:
    """Where a checkpoint that verifies was saved.

    Raises:
        CheckpointError: it holds more than this irltui knows of.
    """
    position = position_of(folder)
    if unknown := sorted(position.keys() - {field.name for field in fields(Position)}):
        raise CheckpointError(
            f"{folder}: written by a newer irltui: state.json has {', '.join(unknown)}, which irltui {__version__} "
            "does not know",
            "Continue with the irltui version that started the run, or a newer one.",
        )
    known: dict[str, Any] = {name: math.inf if value == "inf" else value for name, value in position.items()}
    return Position(**known)


def _read(folder: Path, trained: Trained) -> Position:
    position = read_position(folder)
    load_weights(folder, trained.parameters, trained.reward)
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    for file, optimizer in trained.optimizers.items():
        tensors = load_file(folder / f"{file}.safetensors")
        _set_random_state({name: tensors.pop(name) for name in list(tensors) if name.startswith(_RANDOM)})
        put_back(optimizer, {**tensors, **_parts_of_state(folder / _SHARDS / file, optimizer)}, state[file])
    return position


def _parts_of_state(folder: Path, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What is stored of an optimizer in parts, sharded as its parameters are."""
    parameters = parameters_of(optimizer)
    found: dict[str, Tensor] = {}
    for name, (_, dtype) in stored_shapes(folder).items():
        like = parameters[int(name.partition(".")[0])]
        found[name] = torch.empty_like(like.detach(), dtype=dtype)
    read_parts(folder, found)
    return found


def _random_state() -> dict[str, Tensor]:
    state = {_RANDOM: torch.get_rng_state()}
    if torch.cuda.is_available():
        state[_RANDOM_CUDA] = torch.cuda.get_rng_state()
    return state


def _streams(states: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Those of all ranks under names of their own; the first's have the plain ones."""
    return {f"{name}{_of(rank)}": tensor for rank, state in enumerate(states) for name, tensor in state.items()}


def _set_random_state(streams: Mapping[str, Tensor]) -> None:
    """Go on with this rank's stream; a rank that was not there when they were saved keeps the one it has begun."""
    mine = _of(ranks.index())
    if (state := streams.get(f"{_RANDOM}{mine}")) is not None:
        torch.set_rng_state(state)
    if (state := streams.get(f"{_RANDOM_CUDA}{mine}")) is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state)


def _of(rank: int) -> str:
    return f"@{rank}" if rank else ""
