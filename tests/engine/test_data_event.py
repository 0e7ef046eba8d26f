"""What an engine tells of its data, as a viewer reads it."""

from __future__ import annotations

from pathlib import Path

from irltui.runs.history import RunHistory
from irltui.runs.reader import read_events
from support.runs import config, demonstrations, finish
from support.tiny import folder


def test_a_run_tells_what_became_of_its_rows_and_shows_the_mask_of_some(tmp_path: Path) -> None:
    inputs = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl")
    run = finish(tmp_path / "run", config(*inputs, {"algorithm": "sft", "data": {"max_response_tokens": 4}}))
    history = RunHistory()
    history.take(read_events(run.events))
    assert history.data is not None
    data, masked = history.data.report, history.data.masked
    assert data.rows == 24
    assert data.train + data.held_out + sum(tally.count for tally in data.dropped.values()) == 24
    assert data.responses.longest <= 4
    assert masked
    for row in masked:
        assert len(row.prompt) == row.prompt_tokens
        assert row.response[-1] == data.end_token
