"""What a model can read, from its config.json alone: ids, positions, and how far its layers look back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from irltui.config.schema import ModelSection
from irltui.lm.load import model_config

# Families name the same thing differently.
_POSITIONS = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_sequence_length",
    "max_seq_len",
    "max_seq_length",
    "seq_length",
)


@dataclass(frozen=True)
class ModelLimits:
    """Limits of a model; None where it has none or its configuration does not say.

    Attributes:
        rows: of the embedding: ids from 0 to rows - 1 exist.
        positions: tokens of prompt and response together that it reads.
        name: of the number of positions in config.json.
        window: tokens that its sliding layers look back over.
    """

    rows: int | None = None
    positions: int | None = None
    name: str = ""
    window: int | None = None


def model_limits(section: ModelSection) -> ModelLimits:
    """The limits of a model."""
    return limits_of(model_config(section).get_text_config())


def limits_of(config: Any) -> ModelLimits:
    """The limits in the configuration of a text model."""
    name = next((name for name in _POSITIONS if _number(config, name)), "")
    positions = None if _is_unbounded(config) or not name else _number(config, name)
    window = _number(config, "sliding_window") if getattr(config, "use_sliding_window", True) else None
    return ModelLimits(_number(config, "vocab_size"), _scaled(config, positions), name if positions else "", window)


def _is_unbounded(config: Any) -> bool:
    """Whether positions are only distances (ALiBi)."""
    return getattr(config, "alibi", False) or getattr(config, "model_type", "") == "bloom"


def _number(config: Any, name: str) -> int | None:
    value = getattr(config, name, None)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _scaled(config: Any, positions: int | None) -> int | None:
    """Positions under a scaling of rotary embeddings, whose factor some configurations leave out of the number."""
    rope = getattr(config, "rope_parameters", None)
    if positions is None or not isinstance(rope, Mapping):
        return positions
    factor, original = rope.get("factor"), rope.get("original_max_position_embeddings") or positions
    if not isinstance(factor, (int, float)) or not isinstance(original, int):
        return positions
    return max(positions, int(original * factor))
