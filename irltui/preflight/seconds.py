"""Seconds of an outer iteration: what a probe measured, or what a data sheet and stated shares of it promise."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

from irltui.config.schema import RunConfig
from irltui.preflight.devices import Device
from irltui.preflight.shapes import Shapes
from irltui.preflight.work import Work

TRAINS = 0.35  # share of a device's bf16 rate in forward and backward passes, transformers without fused kernels
SCORES = 0.45  # and in forward passes of whole batches
READS = 0.6  # share of its memory's rate while one token a row is drawn
LAUNCHES = 0.4e-3  # seconds per layer and token, at least, a dozen kernels being started by Python


@dataclass(frozen=True)
class Rates:
    """Seconds per token of each kind; `step` those of an optimizer step."""

    read: float
    written: float
    scored: float
    learned: float
    step: float


@dataclass(frozen=True)
class Seconds:
    """Of one outer iteration, by phase."""

    sample: float
    reference: float
    update: float

    @property
    def all(self) -> float:
        """Together."""
        return self.sample + self.reference + self.update

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return {**asdict(self), "all": self.all}


def seconds(work: Work, rates: Rates, ranks: int = 1, batch: int = 1) -> Seconds:
    """Ranks share prompts, passes and pairs evenly; every one takes each optimizer step.

    Args:
        work: of an outer iteration.
        rates: of one rank.
        ranks: how many share it.
        batch: pairs of an optimizer step: more ranks than that have nothing to learn from.
    """
    return Seconds(
        sample=(work.read * rates.read + work.written * rates.written) / ranks,
        reference=work.scored * rates.scored / ranks,
        update=work.learned * rates.learned / min(ranks, batch) + work.steps * rates.step,
    )


def rates_on(device: Device, ranks: int, work: Work, config: RunConfig, shapes: Shapes) -> Rates:
    """What a device should do, by its data sheet and the shares above."""
    body, head = 2.0 * shapes.body, 2.0 * shapes.head
    scored = work.scored_rows / max(work.scored, 1.0)
    learned = work.learned_rows / max(work.learned, 1.0)
    backward = 2.0 if shapes.trained == shapes.parameters else 1.0  # adapters: no gradient of the frozen matrices
    again = 1.0 if config.model.gradient_checkpointing else 0.0
    slots = max(1.0, min(float(config.sampler.model_dump().get("slots", 64)), work.rows / ranks))
    token = max(2.0 * shapes.parameters / (READS * device.bandwidth), LAUNCHES * shapes.layers)
    return Rates(
        read=body / (SCORES * device.flops),
        written=token / slots,
        scored=(body + scored * head) / (SCORES * device.flops),
        learned=(1 + backward + again) * (body + learned * head) / (TRAINS * device.flops),
        step=_step(device, ranks, config, shapes),
    )


def _step(device: Device, ranks: int, config: RunConfig, shapes: Shapes) -> float:
    """Moments and weights read and written once; gradients summed over a ring.

    Where the model is cut, each pass gathers the weights twice in bfloat16 and hands its gradients round in float32;
    nothing of that is taken to run beside the computation.
    """
    cut = ranks if config.model.shard != "off" else 1
    moved = 28.0 * shapes.trained / cut / device.bandwidth
    slowest = device.wire if ranks > device.node else device.link
    sent = 2.0 * 4.0 * shapes.trained
    if cut > 1:
        passes = math.ceil(config.loop.batch / min(ranks, config.loop.batch) / config.micro_batch)
        sent = passes * (2.0 * 2.0 * shapes.parameters + 4.0 * shapes.trained)
    return moved + sent * (ranks - 1) / ranks / slowest
