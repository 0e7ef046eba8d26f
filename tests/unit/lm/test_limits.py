"""What a model can read, whatever its family calls it."""

from __future__ import annotations

from typing import Any

import pytest
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from irltui.lm.limits import limits_of


@pytest.mark.parametrize(
    ("family", "options", "positions"),
    [
        ("llama", {"max_position_embeddings": 64}, 64),
        ("gpt2", {"n_positions": 64}, 64),
        ("gptj", {"n_positions": 64}, 64),
        ("opt", {"max_position_embeddings": 64}, 64),
        ("mpt", {"max_seq_len": 64}, 64),
        ("falcon", {"max_position_embeddings": 64, "alibi": True}, None),
        ("bloom", {"seq_length": 64}, None),
        ("mamba", {}, None),
    ],
)
def test_positions_are_found_under_every_name(family: str, options: dict[str, Any], positions: int | None) -> None:
    assert limits_of(CONFIG_MAPPING[family](**options)).positions == positions


def test_positions_that_a_scaling_of_rotary_embeddings_adds_count() -> None:
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64, "rope_theta": 10000.0}
    assert limits_of(CONFIG_MAPPING["qwen2"](max_position_embeddings=64, rope_parameters=rope)).positions == 256
    rope = {"rope_type": "linear", "factor": 2.0, "original_max_position_embeddings": 16, "rope_theta": 10000.0}
    assert limits_of(CONFIG_MAPPING["llama"](max_position_embeddings=64, rope_parameters=rope)).positions == 64


def test_a_sliding_window_counts_only_where_it_is_used() -> None:
    assert limits_of(CONFIG_MAPPING["mistral"](sliding_window=8)).window == 8
    assert limits_of(CONFIG_MAPPING["mistral"](sliding_window=None)).window is None
    assert limits_of(CONFIG_MAPPING["qwen2"](sliding_window=8, use_sliding_window=False)).window is None
