"""The state that training changes, by the files of a checkpoint that hold it."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from irltui.api import Reward
from irltui.distributed import ranks
from irltui.rewards.explicit import ExplicitReward
from irltui.rewards.per_token import PerTokenReward

PARAMETERS, REWARD = "parameters", "reward/reward"  # of files, without their ending
OPTIMIZER, POLICY_OPTIMIZER = "optimizer", "policy_optimizer"  # likewise, and in state.json


@dataclass(frozen=True)
class Trained:
    """Weights, optimizers and the reward of a run, as they are now."""

    parameters: Mapping[str, nn.Parameter]
    optimizer: torch.optim.Optimizer
    reward: Reward | None
    policy_optimizer: torch.optim.Optimizer | None = None
    """Of the policy step, where the inner loop trains a reward."""

    @property
    def optimizers(self) -> dict[str, torch.optim.Optimizer]:
        """By the names of their files."""
        found = {OPTIMIZER: self.optimizer}
        return found if self.policy_optimizer is None else {**found, POLICY_OPTIMIZER: self.policy_optimizer}

    @property
    def size(self) -> int:
        """Bytes of all tensors that a checkpoint holds; a plugin's reward is not known."""
        return sum(t.numel() * t.element_size() for tensors in self.tensors().values() for t in tensors.values())

    @property
    def is_sharded(self) -> bool:
        """Whether this rank holds shards of the weights."""
        return any(map(ranks.is_sharded, self.parameters.values()))

    def tensors(self) -> dict[str, dict[str, Tensor]]:
        """What training changes, not copied, by the file that holds it; without a plugin's reward, which saves itself.

        The state of an optimizer is called "parameter.name".
        """
        found: dict[str, dict[str, Tensor]] = {PARAMETERS: dict(self.parameters)}
        for file, optimizer in self.optimizers.items():
            found[file] = {name: value for name, value in _state(optimizer).items() if isinstance(value, Tensor)}
        if (learned := reward_tensors(self.reward)) is not None:
            found[REWARD] = dict(learned)
        return found

    def plain(self) -> dict[str, dict[str, Any]]:
        """What the optimizers hold beside tensors."""
        kept: dict[str, dict[str, Any]] = {OPTIMIZER: {}, POLICY_OPTIMIZER: {}}
        for file, optimizer in self.optimizers.items():
            kept[file] = {name: value for name, value in _state(optimizer).items() if not isinstance(value, Tensor)}
        return kept

    def fingerprint(self) -> float:
        """One number of all weights that every rank has, the same wherever they are bit-identical."""
        learned = list(self.reward.parameters()) if self.reward is not None else []
        parameters = {id(p): p for p in (*self.parameters.values(), *learned) if not ranks.is_sharded(p)}
        return math.fsum(float(p.detach().double().abs().sum()) for p in parameters.values())

    @contextmanager
    def gathered(self, *, keep: bool) -> Generator[Whole]:
        """What was learned, where `keep` says so, to be written without asking the other ranks; nothing elsewhere.

        Collective if the weights are sharded; the reward's are the first rank's alone then.
        """
        weights = ranks.collected(self.parameters, keep=keep)
        with nullcontext() if self.reward is None else self.reward.gathered():
            yield Whole(weights, self.reward)


@dataclass(frozen=True)
class Whole:
    """What was learned, put together on the CPU, without the state that training goes on from."""

    weights: dict[str, Tensor]
    reward: Reward | None

    def save(self, folder: Path) -> None:
        """Write it; `checkpoint.load_weights` reads it."""
        save_file(self.weights, folder / f"{PARAMETERS}.safetensors")
        if self.reward is not None:
            save_reward(self.reward, folder)


def reward_tensors(reward: Reward | None) -> Mapping[str, nn.Parameter] | None:
    """All that a built-in reward would save; None if there is nothing, or if the reward is a plugin's."""
    while isinstance(reward, PerTokenReward):
        reward = reward.inner
    return reward.trained() if isinstance(reward, ExplicitReward) else None


def save_reward(reward: Reward, folder: Path) -> None:
    """Let a reward write its own part of a checkpoint."""
    (folder / "reward").mkdir(exist_ok=True)
    reward.save(folder / "reward")


def put_back(optimizer: torch.optim.Optimizer, tensors: Mapping[str, Tensor], scalars: Mapping[str, Any]) -> None:
    """Set an optimizer's state, under the names of `tensors`; what is not sharded as its parameter is, is cut."""
    parameters = parameters_of(optimizer)
    state: dict[int, dict[str, Any]] = {}
    for key, value in {**tensors, **scalars}.items():
        index, _, name = key.partition(".")
        like = parameters[int(index)]
        is_whole = isinstance(value, Tensor) and value.shape == like.shape and not ranks.is_sharded(value)
        state.setdefault(int(index), {})[name] = ranks.part_of(value, like) if is_whole else value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def parameters_of(optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
    """In the order of its state's numbers."""
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    state: Mapping[int, Mapping[str, Any]] = optimizer.state_dict()["state"]
    return {f"{index}.{name}": value for index, values in state.items() for name, value in values.items()}
