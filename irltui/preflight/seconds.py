"""Tokens and seconds per outer iteration, at a probe's rates or from a device's data sheet."""

from __future__ import annotations

import math
from dataclasses import dataclass

from irltui.config.schema import RunConfig
from irltui.engine.plan import Plan
from irltui.preflight.devices import Device
from irltui.preflight.shapes import Shapes
from irltui.runs.data_report import DataReport
from irltui.updates.groups import step_count

TRAINS = 0.35  # share of a device's bf16 rate in forward and backward passes, without fused kernels
SCORES = 0.45  # share of that rate in forward passes of whole batches
READS = 0.6  # share of its memory bandwidth while sampling
LAUNCHES = 0.4e-3  # fewest seconds per layer and token: Python launches a dozen kernels


@dataclass(frozen=True)
class Work:
    """Tokens of one outer iteration, averaged over the run.

    Attributes:
        read: prompt tokens read in sampling.
        written: sampled tokens.
        scored: tokens of forward passes without gradient: log pi_ref, held-out pairs.
        scored_rows: of these, response tokens, which pass the output layer.
        learned: tokens of forward and backward passes.
        learned_rows: of these, response tokens.
        steps: optimizer steps.
        rows: generations.
    """

    read: float
    written: float
    scored: float
    scored_rows: float
    learned: float
    learned_rows: float
    steps: float
    rows: float


def work(config: RunConfig, report: DataReport, plan: Plan, generation: float) -> Work:
    """Count the tokens of an outer iteration; `generation` is the mean length of a generation."""
    x, y = report.prompts.mean, report.responses.mean
    iterations = range(plan.outer_iterations)
    steps = sum(plan.inner_steps(t) for t in iterations) / len(iterations)
    drawn = sum(len(plan.demonstrations(t)) for t in iterations) / len(iterations)
    held_out = min(config.evaluation.held_out_pairs, report.held_out)
    beside, count = config.objective.frozen_models, config.objective.compared
    if not config.objective.draws:
        seen, both = steps * config.loop.batch, held_out + beside * steps * config.loop.batch
        return Work(0, 0, both * (x + y), both * y, seen * (x + y), seen * y, steps, 0)
    # Each step sees `batch` pairs, but an epoch no more pairs than the iteration has.
    pairs = min(steps * config.loop.batch, drawn * config.loop.inner_epochs)
    pairs = pairs if plan.window == 1 else steps * config.loop.batch
    if not plan.learns:
        pairs = steps = 0.0
    rows = drawn * plan.learns * max(1, config.objective.draws) + held_out
    both = rows * (x + y + generation)
    total = Work(
        read=rows * x,
        written=rows * generation,
        scored=both + held_out * (x + y + generation) + beside * pairs * count * (x + generation),
        scored_rows=(rows + held_out) * (y + generation) + beside * pairs * count * generation,
        learned=pairs * (x + y + generation * count),
        learned_rows=pairs * (y + generation * count),
        steps=steps,
        rows=rows,
    )
    prompts = drawn + plan.prompts / plan.per_pass
    return _of_rft(total, config, prompts, pairs, x, generation) if config.has_policy_steps else total


def _of_rft(total: Work, config: RunConfig, drawn: float, pairs: float, x: float, generation: float) -> Work:
    """The pairs go through the reward, which is as large; then the policy steps sample and train."""
    options = config.update.model_dump()
    prompts, generations = int(options.get("prompts", 8)), int(options.get("generations", 4))
    steps = step_count(options.get("steps", "auto"), round(drawn) or 1, prompts)
    rows = steps * prompts * generations
    return Work(
        read=total.read + rows * x,
        written=total.written + rows * generation,
        scored=total.scored + 2 * rows * (x + generation),  # by the reward and by pi_ref
        scored_rows=total.scored_rows + rows * generation,
        learned=total.learned + pairs * x + rows * (x + generation),  # a reward reads both responses with their prompt
        learned_rows=rows * generation,  # the reward's head has one output
        steps=total.steps + steps,
        rows=total.rows + rows,
    )


@dataclass(frozen=True)
class Rates:
    """Seconds per token of each kind; `step` is seconds per optimizer step."""

    read: float
    written: float
    scored: float
    learned: float
    step: float


def seconds(work: Work, rates: Rates, ranks: int = 1, batch: int = 1) -> dict[str, float]:
    """Seconds of one outer iteration: sample, reference, update, and all together.

    Ranks share prompts, passes and pairs evenly; more of them than the `batch` of a step are idle.
    """
    phases = {
        "sample": (work.read * rates.read + work.written * rates.written) / ranks,
        "reference": work.scored * rates.scored / ranks,
        "update": work.learned * rates.learned / min(ranks, batch) + work.steps * rates.step,
    }
    return {**phases, "all": sum(phases.values())}


def rates_on(device: Device, ranks: int, work: Work, config: RunConfig, shapes: Shapes) -> Rates:
    """A device's rates, by its data sheet and the shares above."""
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

    If the model is sharded, each pass gathers the weights twice in bfloat16 and reduces its gradients in float32,
    without overlap with the computation.
    """
    cut = ranks if config.model.shard != "off" else 1
    moved = 28.0 * shapes.trained / cut / device.bandwidth
    slowest = device.wire if ranks > device.node else device.link
    sent = 2.0 * 4.0 * shapes.trained
    if cut > 1:
        passes = math.ceil(config.loop.batch / min(ranks, config.loop.batch) / config.micro_batch)
        sent = passes * (2.0 * 2.0 * shapes.parameters + 4.0 * shapes.trained)
    return moved + sent * (ranks - 1) / ranks / slowest
