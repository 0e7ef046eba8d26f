"""Checkpoints that are whole or absent: written beside, every file flushed and hashed, renamed at the end.

A checkpoint holds the trained weights, the reward's and the optimizer's state, the random stream and the
position; tensors are safetensors, the rest JSON. What it belongs to is the run's configuration.
"""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import time
from collections.abc import Collection, Generator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import Tensor, nn

from irltui import __version__
from irltui.api import Reward
from irltui.distributed import ranks
from irltui.engine.position import Position
from irltui.errors import CheckpointError
from irltui.runs.checkpoints import newest_first, newest_usable, position_of, run_digest, samples_lost, written_digest
from irltui.runs.durable import replace_json, room, sync_folder
from irltui.runs.event_lines import plain
from irltui.runs.folder import RunFolder
from irltui.runs.seal import CHECKPOINT_SEAL, FORMAT, seal
from irltui.samplers.store import set_aside_after, set_aside_damaged

_PARAMETERS = "parameters.safetensors"
_RANDOM, _RANDOM_CUDA = "random", "random_cuda"
_OPTIMIZER, _POLICY_OPTIMIZER = "optimizer", "policy_optimizer"  # of files, and in state.json


@dataclass(frozen=True)
class Trained:
    """The state that training changes."""

    parameters: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    reward: Reward | None
    policy_optimizer: torch.optim.Optimizer | None = None
    """Of the policy step, where the inner loop trains a reward."""

    @property
    def size(self) -> int:
        """Bytes of the weights and optimizer states, without a separate reward."""
        optimizers = [self.optimizer, *([self.policy_optimizer] if self.policy_optimizer is not None else [])]
        states = (value for optimizer in optimizers for state in optimizer.state.values() for value in state.values())
        tensors = [*self.parameters.values(), *(value for value in states if isinstance(value, Tensor))]
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors)

    @property
    def is_sharded(self) -> bool:
        """Whether this rank holds shards of the weights."""
        return any(map(ranks.is_sharded, self.parameters.values()))

    def fingerprint(self) -> float:
        """One number of all weights that every rank has, the same wherever they are bit-identical."""
        learned = list(self.reward.parameters()) if self.reward is not None else []
        parameters = {id(p): p for p in (*self.parameters.values(), *learned) if not ranks.is_sharded(p)}
        return math.fsum(float(p.detach().double().abs().sum()) for p in parameters.values())

    @contextmanager
    def gathered(self, *, keep: bool) -> Generator[Whole]:
        """What can be written without asking the other ranks, where `keep` says so; nothing elsewhere.

        Collective if the weights are sharded; the reward's are the first rank's alone then.
        """
        optimizers = {_OPTIMIZER: self.optimizer}
        if self.policy_optimizer is not None:
            optimizers[_POLICY_OPTIMIZER] = self.policy_optimizer
        weights = ranks.collected(self.parameters, keep=keep)
        states = {name: _flatten(optimizer, keep=keep) for name, optimizer in optimizers.items()}
        with nullcontext() if self.reward is None else self.reward.gathered():
            yield Whole(weights, states, self.reward)


@dataclass(frozen=True)
class Whole:
    """The same put together, on the CPU: weights, tensors and plain values of each optimizer, and the reward."""

    weights: dict[str, Tensor]
    optimizers: dict[str, tuple[dict[str, Tensor], dict[str, Any]]]
    reward: Reward | None

    def save_weights(self, folder: Path) -> None:
        """Write what was learned, without the state that training goes on from; `load_weights` reads it."""
        save_file(self.weights, folder / _PARAMETERS)
        if self.reward is not None:
            (folder / "reward").mkdir(exist_ok=True)
            self.reward.save(folder / "reward")


@dataclass(frozen=True)
class Saved:
    """A checkpoint on disk: its name, bytes, and seconds to write."""

    name: str
    size: int
    seconds: float


def save(run: RunFolder, trained: Trained, position: Position) -> Saved:
    """Write the checkpoint of `position`; one that is there already stays. Collective.

    The ranks' weights are the same, so the first writes its own, whole if they are sharded: a checkpoint does not know
    by how many ranks it was saved. Random streams are each rank's.

    Raises:
        CheckpointError: the disk refuses, or the ranks' weights differ; earlier checkpoints are untouched.
    """
    fingerprints = ranks.gather([trained.fingerprint()])
    if len(set(fingerprints)) > 1:
        raise CheckpointError(
            f"the weights differ between processes (checksums {fingerprints}), so no checkpoint can be saved",
            "Resume from the last checkpoint. If it happens again, compare hardware and packages of the machines.",
        )
    random = _streams(ranks.gather([_random_state()]))
    began = time.monotonic()
    with trained.gathered(keep=ranks.is_first()) as whole:
        saved = ranks.from_first(lambda: _save(run, whole, position, random, trained.size))
    return replace(saved, seconds=time.monotonic() - began)


def _save(run: RunFolder, whole: Whole, position: Position, random: Mapping[str, Tensor], need: int) -> Saved:
    name = position.name
    folder = run.checkpoints / name
    beside = run.checkpoints / f".{name}.tmp"
    try:
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir(mode=0o700)
        _write(beside, whole, position, random)
        seal(beside, CHECKPOINT_SEAL, format=FORMAT, run=run_digest(run))
        if folder.exists():  # the same place reached again after a resume: the same contents
            shutil.rmtree(folder)
        beside.rename(folder)
        sync_folder(run.checkpoints)
    except (OSError, SafetensorError) as error:  # safetensors says so in its own way when the disk is full
        shutil.rmtree(beside, ignore_errors=True)
        raise CheckpointError(
            f"{folder}: cannot be written: {error}; {room(run.checkpoints, need)}",
            "Make room; the last good checkpoint is kept, continue with --resume.",
        ) from error
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return Saved(name, size, 0.0)


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
    stored = load_file(folder / _PARAMETERS)
    if stored.keys() != parameters.keys():
        raise CheckpointError(
            f"{folder}: belongs to another model or adapter", "Check whether the model folder was replaced."
        )
    for name, parameter in parameters.items():
        ranks.put(parameter, stored[name])
    if reward is not None:
        reward.load(folder / "reward")


def weights_at(run: RunFolder, t: int) -> dict[str, Tensor] | None:
    """What outer iteration t began with, by name; None if its checkpoint is missing or damaged."""
    folder = run.checkpoints / Position(t).name
    try:
        # From bytes: opening a file by name keeps some objects in safetensors at every call.
        content = (folder / _PARAMETERS).read_bytes()
    except OSError:
        return None
    whole = hashlib.sha256(content).hexdigest() == written_digest(folder, _PARAMETERS)
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


def prune(run: RunFolder, keep: int, needed: Collection[str]) -> None:
    """Delete all but the newest `keep` and those named."""
    for name in newest_first(run)[keep:]:
        if name not in needed:
            shutil.rmtree(run.checkpoints / name, ignore_errors=True)


def _write(folder: Path, whole: Whole, position: Position, random: Mapping[str, Tensor]) -> None:
    whole.save_weights(folder)
    state: dict[str, Any] = {"position": plain(asdict(position)), _OPTIMIZER: {}, _POLICY_OPTIMIZER: {}}
    for name, (tensors, scalars) in whole.optimizers.items():
        save_file({**tensors, **(random if name == _OPTIMIZER else {})}, folder / f"{name}.safetensors")
        state[name] = scalars
    replace_json(folder / "state.json", state)


def _read(folder: Path, trained: Trained) -> Position:
    position = read_position(folder)
    load_weights(folder, trained.parameters, trained.reward)
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    tensors = load_file(folder / f"{_OPTIMIZER}.safetensors")
    streams = {name: tensors.pop(name) for name in list(tensors) if name.startswith(_RANDOM)}
    _set_random_state(streams)
    _put_back(trained.optimizer, tensors, state[_OPTIMIZER])
    if trained.policy_optimizer is not None:
        tensors = load_file(folder / f"{_POLICY_OPTIMIZER}.safetensors")
        _put_back(trained.policy_optimizer, tensors, state[_POLICY_OPTIMIZER])
    return position


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


def _put_back(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
    """Shard the state as the parameters are now, however many ranks saved it."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state = _unflatten(tensors, scalars)
    for index, values in state.items():
        like = parameters[index]
        for name, value in values.items():
            if isinstance(value, Tensor) and value.shape == like.shape:
                values[name] = ranks.part_of(value, like)
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _flatten(optimizer: torch.optim.Optimizer, *, keep: bool) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Its state as tensors, if `keep`, and as plain values, both under "parameter.name". Collective if sharded."""
    state: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    flat = {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}
    tensors = ranks.collected({name: value for name, value in flat.items() if isinstance(value, Tensor)}, keep=keep)
    return tensors, {name: value for name, value in flat.items() if not isinstance(value, Tensor)}


def _unflatten(tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **scalars}.items():
        index, _, name = key.partition(".")
        state.setdefault(int(index), {})[name] = value
    return state
