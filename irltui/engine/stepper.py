"""The optimizer's side of a step: backward, clip, learning rate, move. Refuses numbers that are not finite."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from irltui.config.schema import OptimizerSection
from irltui.distributed import ranks
from irltui.errors import NotFiniteError

_NOT_FINITE = "Lower optimizer.learning_rate or raise reward.beta, and continue from the last checkpoint with --resume."


def make_optimizer(section: OptimizerSection, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW, or RMSprop as the authors ran it; the learning rate is set anew before every step."""
    rate, (first, second) = section.learning_rate, section.betas
    eps, decay = section.epsilon, section.weight_decay
    if section.kind == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=rate, alpha=second, eps=eps, weight_decay=decay)
    return torch.optim.AdamW(parameters, lr=rate, betas=(first, second), eps=eps, weight_decay=decay)


def learning_rate(section: OptimizerSection, step: int, total: int) -> float:
    """The rate of step 0 <= step < total: a function of the place in the run, so that resuming needs no state."""
    warmup = math.ceil(section.warmup * total)
    if step < warmup:
        return section.learning_rate * (step + 1) / warmup
    if section.schedule == "constant":
        return section.learning_rate
    done = (step - warmup) / max(1, total - warmup)
    if section.schedule == "cosine":
        return section.learning_rate * (1 + math.cos(math.pi * done)) / 2
    return section.learning_rate * (1 - done)


def clip_gradients(parameters: Sequence[nn.Parameter], limit: float) -> float:
    """Scale the gradients so that the norm of all is at most `limit`; the norm before. Collective if any is sharded."""
    if not any(map(ranks.is_sharded, parameters)):
        return float(nn.utils.clip_grad_norm_(parameters, limit))
    gradients = [p.grad for p in parameters if p.grad is not None]
    shards = [ranks.local(gradient) for gradient in gradients if ranks.is_sharded(gradient)]
    plain = [gradient for gradient in gradients if not ranks.is_sharded(gradient)]
    square = ranks.summed(nn.utils.get_total_norm(shards).square()) + nn.utils.get_total_norm(plain).square()
    norm = float(square.sqrt())
    if norm > limit:
        for gradient in (*shards, *plain):
            gradient.mul_(limit / norm)
    return norm


class Stepper:
    """Accumulates losses and moves the parameters.

    Args:
        optimizer: over the parameters that train.
        section: its configuration.
        total: planned steps of the run.
        backward: accelerate's, or `Tensor.backward`.
        together: ranks give up a step together, since passes are collective.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        section: OptimizerSection,
        total: int,
        backward: Callable[[Tensor], Any],
        *,
        together: bool = False,
    ) -> None:
        self.optimizer = optimizer
        self._section, self._total, self._backward, self._together = section, total, backward, together

    def accumulate(self, loss: Tensor) -> float:
        """Add the gradient of a micro-batch whose weights already say its share of the step.

        Raises:
            NotFiniteError: the loss is NaN or infinite, here or on a rank that steps together with this one.
        """
        value = float(loss.detach())
        values = ranks.gather([value]) if self._together else [value]
        if failed := [each for each in values if not math.isfinite(each)]:
            raise NotFiniteError(f"the loss is {failed[0]}", _NOT_FINITE)
        with ranks.noticing():
            self._backward(loss)
        return value

    def step(self, planned: int) -> tuple[float, float]:
        """Move by what all ranks have accumulated. Collective.

        `planned` is the step's place in the plan, which early stopping makes differ from its count.

        Returns:
            The gradient's norm before clipping, and the learning rate.

        Raises:
            NotFiniteError: the gradient is NaN or infinite.
        """
        parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        ranks.sum_gradients(parameters)
        norm = clip_gradients(parameters, self._section.max_grad_norm or math.inf)
        if not math.isfinite(norm):
            raise NotFiniteError(f"the gradient's norm is {norm}", _NOT_FINITE)
        rate = learning_rate(self._section, planned, self._total)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return norm, rate
