"""Rows as the loss sees them."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import AutoTokenizer

from irltui.config.schema import DataSection
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.data.mask import LONGEST, masked_rows
from irltui.data.template import eos_ids
from support.runs import demonstrations
from support.tiny import folder


@pytest.fixture
def loaded(tmp_path: Path) -> tuple[DemonstrationData, AutoTokenizer]:
    tokenizer = AutoTokenizer.from_pretrained(folder(tmp_path / "model"))
    section = DataSection(
        source=str(demonstrations(tmp_path / "demos.jsonl")), max_response_tokens=3, overlong="truncate"
    )
    return load_demonstrations(section, tokenizer, eos_ids(tokenizer, None)), tokenizer


def test_prompt_and_response_are_the_tokens_that_training_uses(loaded) -> None:
    data, tokenizer = loaded
    for row, demonstration in zip(masked_rows(data, tokenizer.decode), data.train, strict=False):
        assert row.id == demonstration.id
        assert list(row.prompt) == [tokenizer.decode([token]) for token in demonstration.prompt.tokens]
        assert list(row.response) == [tokenizer.decode([token]) for token in demonstration.tokens]
        assert (row.prompt_tokens, row.response_tokens) == (len(row.prompt), len(row.response))


def test_a_cut_response_says_that_it_has_no_end(loaded) -> None:
    data, tokenizer = loaded
    rows = masked_rows(data, tokenizer.decode, count=len(data.train))
    assert {row.ended for row in rows} == {True, False}
    for row in rows:
        assert (row.response[-1] == data.report.end_token) is row.ended


def test_no_more_tokens_than_a_person_reads_are_kept(loaded, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("irltui.data.mask.LONGEST", 2)
    data, tokenizer = loaded
    row = masked_rows(data, tokenizer.decode)[0]
    assert (len(row.prompt), len(row.response)) == (2, 2)
    assert row.prompt_tokens > 2
    assert LONGEST > 2
