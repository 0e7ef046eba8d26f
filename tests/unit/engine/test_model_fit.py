"""Rows and generations that the model has no ids or positions for are refused before it is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from irltui.api.registry import Registry
from irltui.config.schema import RunConfig
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.engine.model_fit import check_ids, generation_cap
from irltui.errors import ConfigError, DataError, ModelError
from irltui.lm.limits import ModelLimits
from support import runs, tiny
from support.tiny import WORDS

ROWS = [{"prompt": f"{a} {b}?", "completion": f"the {b} {a}"} for a in WORDS[:4] for b in WORDS[6:10]]


def loaded(tmp_path: Path, *, cap: int | str = "auto") -> tuple[RunConfig, DemonstrationData, Any]:
    path = tmp_path / "d.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS), encoding="utf-8")
    change = {"data": {"max_response_tokens": 32}, "decoding": {"max_new_tokens": cap}}
    values = runs.config(tmp_path / "model", path, change)
    config = RunConfig.model_validate(values, context={"registry": Registry()})
    tokenizer = tiny.tokenizer()
    return config, load_demonstrations(config.data, tokenizer, frozenset({2})), tokenizer


def test_a_token_beyond_the_embedding_is_named_with_its_row_and_the_remedy(tmp_path: Path) -> None:
    _, data, tokenizer = loaded(tmp_path)
    check_ids(tokenizer, data, ModelLimits(rows=len(tokenizer)))
    check_ids(tokenizer, data, ModelLimits())
    last = max(max(*d.prompt.tokens, *d.tokens) for d in [*data.train, *data.held_out])
    with pytest.raises(
        DataError, match=rf"row \d+: token .* \(id {last}\) is beyond the model's {last} embedding rows"
    ):
        check_ids(tokenizer, data, ModelLimits(rows=last))
    check_ids(tokenizer, data, ModelLimits(rows=last + 1))


def test_a_padding_token_beyond_the_embedding_is_named(tmp_path: Path) -> None:
    _, data, tokenizer = loaded(tmp_path)
    size = len(tokenizer)
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    with pytest.raises(ModelError, match=rf'padding token "\[PAD\]" \(id {size}\) is beyond') as caught:
        check_ids(tokenizer, data, ModelLimits(rows=size))
    assert "resize_token_embeddings" in caught.value.hint


def test_an_end_of_sequence_id_of_the_generation_config_beyond_the_embedding_is_refused(tmp_path: Path) -> None:
    _, data, tokenizer = loaded(tmp_path)
    check_ids(tokenizer, data, ModelLimits(rows=len(tokenizer)), {2})
    with pytest.raises(ModelError, match=r"generation_config.json: eos_token_id 99999 is beyond the model's \d+"):
        check_ids(tokenizer, data, ModelLimits(rows=len(tokenizer)), {2, 99999})


def test_a_cap_by_default_is_what_the_longest_prompt_leaves(tmp_path: Path) -> None:
    config, data, _ = loaded(tmp_path)
    longest = data.report.prompts.longest
    assert generation_cap(config, data, ModelLimits()) == 32
    assert generation_cap(config, data, ModelLimits(positions=longest + 40)) == 32
    said: list[str] = []
    assert generation_cap(config, data, ModelLimits(positions=longest + 20), said.append) == 20
    assert "generations end at 20 tokens instead of 32" in said[0]


def test_a_cap_that_was_asked_for_and_does_not_fit_is_refused_with_the_number_to_set(tmp_path: Path) -> None:
    config, data, _ = loaded(tmp_path, cap=30)
    limits = ModelLimits(positions=data.report.prompts.longest + 20, name="n_positions")
    with pytest.raises(ConfigError, match=r"decoding\.max_new_tokens: .* does not fit") as caught:
        generation_cap(config, data, limits)
    assert "n_positions" in caught.value.message
    assert "decoding.max_new_tokens = 20" in caught.value.hint


def test_a_row_longer_than_the_context_is_refused(tmp_path: Path) -> None:
    config, data, _ = loaded(tmp_path)
    with pytest.raises(DataError, match="the longest row has") as caught:
        generation_cap(config, data, ModelLimits(positions=data.report.longest - 1, name="n_positions"))
    assert "data.max_prompt_tokens" in caught.value.hint
