"""What happens around a run: a clock that jumps, a log that grows, secrets in a configuration."""

from __future__ import annotations

import json
import math
import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from dashboard.written_events import Script
from dashboard.written_run import write_run
from typer.testing import CliRunner

from irltui.cli.main import app
from irltui.runs.events import Kind
from irltui.runs.history import RunHistory
from irltui.runs.reader import EventReader, read_events
from irltui.runs.writer import RunWriter
from irltui.views.replay import Moment
from support.compare import assert_same
from support.runs import config, demonstrations, finish, prepare, work
from support.tiny import folder

SHORT = Script(outer_iterations=2, inner_steps=4, nan_at=())
TOKEN = "hf_" + "abcdefghij" * 4


def test_a_clock_that_jumps_changes_nothing_but_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = config(folder(tmp_path / "model"), demonstrations(tmp_path / "data.jsonl"))
    expected = finish(tmp_path / "expected", values)
    ticks = iter(range(1_000_000))
    true = RunWriter.__init__
    jumping = lambda: 1.7e9 + (-1) ** next(ticks) * 86_400 * 365  # noqa: E731 - a year to and fro at every look
    monkeypatch.setattr(RunWriter, "__init__", lambda self, run: true(self, run, jumping))
    run = prepare(tmp_path / "run", values)
    assert work(run) == 0
    assert_same(run, expected)
    history = RunHistory()
    history.take(read_events(run.events))
    moment = Moment(history)
    assert 0 <= moment.elapsed < 600  # by a clock that does not jump
    left = moment.seconds_left()
    assert left is None or math.isfinite(left)
    shown = CliRunner().invoke(app, ["show", str(run.path), "--json"], catch_exceptions=False)
    assert json.loads(shown.output)["state"] == "finished"


@pytest.mark.parametrize("command", ["report", "compare", "compare --json"])
def test_secrets_of_a_configuration_reach_no_report_and_no_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "w" * 20)
    secret = {"data.source": f"https://me:hunter2@data.example/d?token=s3cret&x={TOKEN}", "model.name": "w" * 20}
    runs = [write_run(tmp_path / "a", replace(SHORT, config=secret)), write_run(tmp_path / "b", SHORT)]
    name, *options = command.split()
    out = ["--out", str(tmp_path / "page.html")] if name == "report" else []
    paths = [str(run.path) for run in runs]
    done = CliRunner().invoke(app, [name, *paths, *out, *options], catch_exceptions=False)
    assert done.exit_code == 0
    said = (tmp_path / "page.html").read_text(encoding="utf-8") if out else done.output
    assert "data.example" in said
    for hidden in ("hunter2", "s3cret", TOKEN, "w" * 20):
        assert hidden not in said


def test_a_log_of_a_hundred_thousand_events_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    line = json.dumps({"seq": 0, "time": 1.0, "kind": Kind.LOG, "level": "info", "text": "x" * 400})
    with path.open("w", encoding="utf-8") as file:
        for seq in range(100_000):
            file.write(line.replace('"seq": 0', f'"seq": {seq}') + "\n")
    size = path.stat().st_size
    tracemalloc.start()
    history = RunHistory()
    reader = EventReader(path)
    while events := reader.poll():
        history.take(events)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert size > 40_000_000
    assert peak < size / 2
