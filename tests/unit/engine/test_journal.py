"""What the engine says of itself while it works."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.engine import journal
from irltui.engine.journal import Journal
from irltui.engine.position import Position
from irltui.runs.events import Kind, Phase
from irltui.runs.folder import create_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.reader import read_events
from irltui.runs.writer import RunWriter


@pytest.mark.parametrize(("every", "looks"), [(0.0, 2), (3_600.0, 0)])
def test_memory_is_looked_at_now_and_then_and_is_a_curve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float, looks: int
) -> None:
    monkeypatch.setattr(journal, "SYSTEM_EVERY", every)
    run = create_run_folder(tmp_path / "run")
    with RunWriter(run) as writer:
        writing = Journal(writer, Position())
        for done in (0, 1):
            writing.phase(Phase.UPDATE, done, 2, "steps")
    found = list(read_events(run.events))
    seen = [event for event in found if event.kind == Kind.SYSTEM]
    assert [event.step for event in seen] == [0] * looks
    assert all(event.values["memory_bytes"] > 1e6 for event in seen)
    history = RunHistory()
    history.take(found)
    assert ("system/memory_bytes" in history.metrics) == bool(looks)
