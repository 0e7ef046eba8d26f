"""What a checkpoint says of the irltui that wrote it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from irltui.engine.checkpoint import read_position
from irltui.errors import CheckpointError
from irltui.runs.checked_rows import checked_line, line_key
from irltui.samplers.store import ReferenceScore, SampleStore


def test_a_checkpoint_with_an_unknown_field_was_written_by_a_newer_irltui(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_text(json.dumps({"position": {"t": 1, "best_loss": "inf", "field_of_tomorrow": 1}}))
    with pytest.raises(CheckpointError, match=r"written by a newer irltui: state\.json has field_of_tomorrow"):
        read_position(tmp_path)


def test_stored_reference_scores_may_have_more_fields_than_are_known(tmp_path: Path) -> None:
    row = {"prompt_id": "a", "demonstration": -1.5, "generation": -2.5, "field_of_tomorrow": 1}
    file = tmp_path / "0000.reference.jsonl"
    file.write_bytes(checked_line(row, line_key(file)))
    assert SampleStore(tmp_path, "0000").reference == {"a": ReferenceScore("a", -1.5, -2.5)}
