"""Tokens computed in an outer iteration, by what is done with them. Counts only; seconds are made elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from irltui.config.schema import RunConfig
from irltui.engine.plan import Plan
from irltui.runs.data_report import DataReport
from irltui.updates.groups import step_count


@dataclass(frozen=True)
class Work:
    """Tokens of one outer iteration, the run's mean.

    Attributes:
        read: prompt tokens that sampling reads.
        written: tokens that sampling draws.
        scored: tokens of forward passes without gradient: log pi_ref, held-out pairs.
        scored_rows: of these, response tokens, which meet the vocabulary.
        learned: tokens of forward and backward passes.
        learned_rows: of these, response tokens.
        steps: optimizer steps.
        rows: generations that are drawn.
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
    """Count.

    Args:
        config: of the run.
        report: of its data.
        plan: of its steps.
        generation: mean tokens of a generation.
    """
    x, y = report.prompts.mean, report.responses.mean
    iterations = range(plan.outer_iterations)
    steps = sum(plan.inner_steps(t) for t in iterations) / len(iterations)
    drawn = sum(len(plan.demonstrations(t)) for t in iterations) / len(iterations)
    held_out = min(config.evaluation.held_out_pairs, report.held_out)
    if not config.has_reward:
        seen = steps * config.loop.batch
        return Work(0, 0, held_out * (x + y), held_out * y, seen * (x + y), seen * y, steps, 0)
    # Each step sees `batch` pairs, but no iteration more pairs than it has, an epoch.
    pairs = min(steps * config.loop.batch, drawn * config.loop.inner_epochs)
    pairs = pairs if plan.window == 1 else steps * config.loop.batch
    if not plan.learns:
        pairs = steps = 0.0
    rows = drawn * plan.learns * max(1, config.objective.draws) + held_out
    both = rows * (x + y + generation)
    total = Work(
        read=rows * x,
        written=rows * generation,
        scored=both + held_out * (x + y + generation),
        scored_rows=(rows + held_out) * (y + generation),
        learned=pairs * (x + y + generation * config.objective.draws),
        learned_rows=pairs * (y + generation * config.objective.draws),
        steps=steps,
        rows=rows,
    )
    return _of_rft(total, config, drawn, pairs, x, generation) if config.has_policy_steps else total


def _of_rft(total: Work, config: RunConfig, drawn: float, pairs: float, x: float, generation: float) -> Work:
    """The pairs go through the reward, which is as large; then the policy steps draw and learn."""
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
        learned_rows=rows * generation,  # the reward's head has one number
        steps=total.steps + steps,
        rows=total.rows + rows,
    )
