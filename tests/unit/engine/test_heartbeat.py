"""A poll is a sign of life; an engine that neither polls nor moves gives none."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from irltui.engine.safepoint import SafePoint
from irltui.runs.folder import create_run_folder
from irltui.runs.status import State, read_status
from irltui.runs.writer import RunWriter


def test_polls_keep_the_status_fresh_and_say_nothing_else(tmp_path: Path) -> None:
    run = create_run_folder(tmp_path / "run")
    clock = count(1_000, 60)  # a minute each time that somebody asks
    with RunWriter(run, clock=lambda: float(next(clock))) as writer:
        writer.status(now=True, state=State.RUNNING, phase="sample", step=7)
        before = read_status(run)
        SafePoint(run, writer).poll()
        after = read_status(run)
    assert after.time > before.time
    assert (after.phase, after.step) == (before.phase, before.step) == ("sample", 7)
    assert run.events.read_bytes() == b""
