"""What the micro-batches of one optimizer step add up to, over all ranks. Takes gradients; moves nothing."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np
import torch
from torch import Tensor

from irltui.algorithm import Pairs, Step
from irltui.distributed import ranks
from irltui.engine import diagnostics
from irltui.engine.assemble import Parts
from irltui.objectives.sft import Demonstrated, SftStep

Sides = tuple[np.ndarray, np.ndarray]


@dataclass
class Sums:
    """Numbers of one rank, or of all: sums, and the values of each pair's two sides."""

    count: int = 0
    tokens: int = 0
    demonstration_tokens: int = 0
    loss: float = 0.0
    weight: float = 0.0
    nll: float = 0.0
    rewards: list[Sides] = field(default_factory=list)
    logratios: list[Sides] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """Why the step is not taken, of every rank that met what is not finite."""

    def skip(self, why: str) -> None:
        """Count for nothing."""
        self.count = self.tokens = 0
        self.skipped.append(why)


class Pending:
    """The gradient and the numbers of the micro-batches since the last step."""

    def __init__(self) -> None:
        self.batches: list[Pairs | Demonstrated] = []
        self._mine = Sums()

    def add(self, step: Step | SftStep, parts: Parts) -> None:
        """Take the gradient of one micro-batch, and the numbers of those in it that weigh something."""
        mine = self._mine
        self.batches.append(step.batch)
        mine.loss += parts.stepper.accumulate(step.loss)
        real = step.batch.weight > 0
        responses, count = step.batch.responses, len(real)
        mine.count += int(real.sum())
        mine.weight += float(step.batch.weight.sum())
        lengths = responses.response_mask.sum(-1) * real.repeat(len(responses.response_mask) // count)
        mine.tokens += int(lengths.sum())
        mine.demonstration_tokens += int(lengths[:count].sum())
        if isinstance(step, SftStep):
            mine.nll -= float(step.logp.detach()[real].sum())
            return
        apart = real if step.batch.differs is None else real & (step.batch.differs > 0)
        mine.rewards.append((_array(step.demonstration[apart]), _array(step.generation[apart])))
        if parts.config.reward.implicit:
            with torch.no_grad():  # known already: the reward asked for it
                logp = parts.policy.log_probs(responses)
            mine.nll -= float(logp[:count][real].sum())
            demonstration, generation = (logp - responses.logp_ref).chunk(2)
            mine.logratios.append((_array(demonstration[apart]), _array(generation[apart])))

    @property
    def is_skipped(self) -> bool:
        """Whether this rank has met what is not finite."""
        return bool(self._mine.skipped)

    def skip(self, why: str) -> None:
        """Do not take this step, on any rank."""
        self._mine.skip(why)

    def of_all_ranks(self) -> Sums:
        """The step's numbers. Collective."""
        total = Sums()
        for sums in ranks.gather([self._mine]):
            for each in fields(Sums):
                setattr(total, each.name, getattr(total, each.name) + getattr(sums, each.name))
        return total


def step_metrics(sums: Sums) -> diagnostics.Values:
    """Averages over the pairs, or tokens, of the step; those of gaps leave out pairs with y~ == y."""
    values = {"train/loss": sums.loss / (sums.weight if sums.rewards else 1)}
    for sides, metrics in ((sums.rewards, diagnostics.reward_metrics), (sums.logratios, diagnostics.logratio_metrics)):
        if any(len(demonstration) for demonstration, _ in sides):
            values |= metrics(*_joined(sides))
    if sums.logratios or not sums.rewards:
        values["train/nll"] = sums.nll / sums.demonstration_tokens
    return values


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()


def _joined(sides: list[Sides]) -> tuple[np.ndarray, np.ndarray]:
    demonstration, generation = (np.concatenate(side) for side in zip(*sides, strict=True))
    return demonstration, generation
