"""What a configuration may say where a result is used, and not where a run trains."""

from __future__ import annotations

from irltui.config.schema import RunConfig
from irltui.errors import ConfigError


def refuse_strength(config: RunConfig) -> None:
    """Refuse a strength for the samples that a run learns from.

    Raises:
        ConfigError: there is one.
    """
    if config.decoding.strength != 1 and config.has_reward:
        raise ConfigError(
            f"decoding.strength = {config.decoding.strength:g}: {config.algorithm} learns from samples of the policy "
            "itself, and another strength than 1 samples another distribution",
            "Leave it at 1 for training. A finished run takes one (irltui sample RUN --strength 3), and so does a "
            "benchmark (benchmarks.NAME.decoding.strength=3).",
        )
