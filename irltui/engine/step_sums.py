"""What the micro-batches of one optimizer step add up to, over all ranks. Takes gradients; moves nothing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from irltui.algorithm import Step
from irltui.api import Batch, Sides
from irltui.distributed import ranks
from irltui.engine import diagnostics
from irltui.runs.metrics import TRAINING_LOSS

if TYPE_CHECKING:
    from irltui.engine.assemble import Parts

Arrays = tuple[np.ndarray, np.ndarray]


class Reported:
    """What parts report by `context.metric`: values by name, until a step takes their means."""

    def __init__(self) -> None:
        self._values: list[tuple[str, float]] = []

    def add(self, name: str, value: float) -> None:
        """One value; what is not finite is left out."""
        if np.isfinite(value):
            self._values.append((str(name), float(value)))

    def take(self) -> list[tuple[str, float]]:
        values = self._values.copy()
        self._values.clear()
        return values


def means(values: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Of the values of each name."""
    by_name: dict[str, list[float]] = {}
    for name, value in values:
        by_name.setdefault(name, []).append(value)
    return {name: float(np.mean(some)) for name, some in by_name.items()}


@dataclass
class Sums:
    """Numbers of one rank, or of all: sums, and the values of each pair's two sides."""

    count: int = 0
    tokens: int = 0
    demonstration_tokens: int = 0
    loss: float = 0.0
    weight: float = 0.0
    nll: float = 0.0
    rewards: list[Arrays] = field(default_factory=list)
    logratios: list[Arrays] = field(default_factory=list)
    reported: list[tuple[str, float]] = field(default_factory=list)
    """The objective's metrics of each demonstration, and what parts report by `context.metric`."""
    skipped: list[str] = field(default_factory=list)
    """Why the step is not taken, of every rank that met what is not finite."""
    exhausted: list[int] = field(default_factory=list)
    """The ranks whose memory did not suffice."""

    def skip(self, why: str) -> None:
        """Count for nothing."""
        self.count = self.tokens = 0
        self.skipped.append(why)


class Pending:
    """The gradient of the micro-batches since the last step, and this rank's numbers of them."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.mine = Sums()

    def add(self, step: Step, parts: Parts) -> None:
        """Take the gradient of one micro-batch, and the numbers of those in it that weigh something."""
        mine = self.mine
        self.batches.append(step.batch)
        mine.loss += parts.stepper.accumulate(step.loss)
        real = step.batch.weight > 0
        responses, count = step.batch.responses, len(real)
        mine.count += int(real.sum())
        mine.weight += float(step.batch.weight.sum())
        lengths = responses.response_mask.sum(-1) * real.repeat(len(responses.response_mask) // count)
        mine.tokens += int(lengths.sum())
        mine.demonstration_tokens += int(lengths[:count].sum())
        for name, values in parts.objective.metrics(step.batch).items():
            mine.reported += [(name, value) for value in values.detach()[real].tolist()]
        mine.reported += parts.assembly.reported.take()
        with torch.no_grad():  # known already: the objective has asked for it
            self._add_rewards(step.batch, real, parts)

    def _add_rewards(self, batch: Batch, real: Tensor, parts: Parts) -> None:
        """The values of both sides of each pair that differs, and the likelihood, where the policy was asked for it."""
        mine = self.mine
        if parts.reward is None and parts.config.objective.draws:
            return
        if parts.reward is None or parts.config.reward.implicit:
            mine.nll -= float(batch.log_probs()[0][real].sum())
        if parts.reward is None:
            return
        mine.rewards.append(_sides(batch.rewards(), batch, real))
        if parts.config.reward.implicit:
            mine.logratios.append(_sides(batch.log_ratios(), batch, real))

    def run_out(self) -> None:
        """This rank has no memory for the step."""
        self.mine.exhausted = [ranks.index()]

    def of_all_ranks(self) -> Sums:
        """The step's numbers. Collective."""
        total = Sums()
        for sums in ranks.gather([self.mine]):
            for each in fields(Sums):
                setattr(total, each.name, getattr(total, each.name) + getattr(sums, each.name))
        return total


def step_metrics(sums: Sums) -> diagnostics.Values:
    """Averages over the pairs, or tokens, of the step; those of gaps leave out pairs with y~ == y."""
    values = {TRAINING_LOSS: sums.loss / (sums.weight if sums.rewards else 1)}
    for sides, metrics in ((sums.rewards, diagnostics.reward_metrics), (sums.logratios, diagnostics.logratio_metrics)):
        if any(len(demonstration) for demonstration, _ in sides):
            values |= metrics(*map(np.concatenate, zip(*sides, strict=True)))
    if sums.nll:
        values["train/nll"] = sums.nll / sums.demonstration_tokens
    return means(sums.reported) | values


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def _sides(sides: Sides, batch: Batch, real: Tensor) -> Arrays:
    """Both sides of the pairs that differ, demonstration by demonstration."""
    demonstration, generations = sides
    apart = real[:, None].expand_as(generations)
    if batch.differs is not None:
        apart = apart & (batch.differs > 0)
    return _array(demonstration[:, None].expand_as(generations)[apart]), _array(generations[apart])
