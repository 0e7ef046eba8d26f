"""Doubtful settings of a configuration and its plan, reported by `check` and when the run starts. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator

from irltui.config.schema import RunConfig
from irltui.engine.plan import Plan
from irltui.runs.data_report import Finding


def concerns(config: RunConfig, plan: Plan) -> list[Finding]:
    return [*_of_decoding(config), *_of_unused(config, plan)]


def _of_decoding(config: RunConfig) -> Iterator[Finding]:
    """The method assumes y~ ~ pi (hazard 6); for SFT, decoding only affects what is shown."""
    if not config.has_reward:
        return
    for name, plain in (("temperature", 1.0), ("top_p", 1.0), ("top_k", 0)):
        if (value := getattr(config.decoding, name)) != plain:
            yield Finding(
                "warning",
                f"decoding.{name}",
                f"decoding.{name} = {value:g}: the method assumes samples from the policy itself, and these are not",
                f"Set decoding.{name} = {plain:g}, unless this is what you want to study.",
            )


def _of_unused(config: RunConfig, plan: Plan) -> Iterator[Finding]:
    if not plan.unused:
        return
    steps, batch = config.loop.inner_steps, config.loop.batch
    yield Finding(
        "warning",
        "loop.inner_steps",
        f"{plan.unused} of {plan.count} training demonstrations are never used: {steps} inner steps of {batch} take "
        f"{plan.used} in {plan.outer_iterations} outer iterations",
        'Raise loop.outer_iterations, or set loop.inner_steps = "auto" to use all of them.',
    )
