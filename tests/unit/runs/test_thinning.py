"""A long log is thinned for curves: what a summary says stays exact, and memory stays small."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from irltui.runs import reader
from irltui.runs.event_lines import encode
from irltui.runs.events import Metrics, Phase, PhaseProgress, RunStart, System
from irltui.runs.history import RunHistory
from irltui.runs.reader import EventReader, read_history

STEPS = 6_000


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Steps with progress between them, a rare metric every 500, numbers that are not finite, damage, and a resume."""
    stream, seq, lines = random.Random(3), iter(range(10**6)), []
    lines.append(encode(RunStart(1, "h", "irft", STEPS, 3, seq=next(seq), time=0.5)))
    for step in range(1, STEPS + 1):
        values = {"train/loss": stream.random(), "reward/gap": stream.random()}
        if step == 2_222:
            values["train/loss"] = float("nan")
        lines.append(
            encode(Metrics(values, step, step // 2_000, step % 2_000, step * 10, step * 0.5, seq=next(seq), time=step))
        )
        lines.append(
            encode(PhaseProgress(Phase.UPDATE, step // 2_000, step % 2_000, 2_000, "steps", seq=next(seq), time=step))
        )
        if step % 500 == 0:
            values = {"heldout/nll": stream.random()}
            lines.append(
                encode(Metrics(values, step, step // 2_000, 0, step * 10, step * 0.5, seq=next(seq), time=step))
            )
            lines.append(encode(System({"rss": 1.0}, step, seq=next(seq), time=step)))
        if step == 3_333:
            lines.append(b'{"seq":1,"time":2,"kind":"metrics","values":{"train/loss":"?"}}\n[1]\n')
        if step == 4_000:
            void = Metrics({"train/loss": 99.0, "reward/gap": 99.0}, step + 1, 2, 1, seq=next(seq), time=step)
            again = RunStart(2, "h", "irft", STEPS, 3, 1, 4_000, void.seq, seq=next(seq), time=step)
            lines += [encode(void), encode(again)]
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines))
    return path


def whole(path: Path) -> RunHistory:
    history, events = RunHistory(), EventReader(path)
    while found := events.poll():
        history.take(found)
    return history


def test_a_thinned_log_says_the_same_but_for_points_inside_its_curves(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exact = whole(log)
    monkeypatch.setattr(reader, "FULL", log.stat().st_size // 9)
    thinned = read_history(log)
    assert len(thinned.rows) < len(exact.rows) / 5
    assert thinned.metrics.keys() == exact.metrics.keys()
    for name, series in exact.metrics.items():
        assert thinned.first(name) == series.values[0]
        assert thinned.last(name) == series.values[-1]
    assert list(thinned.metrics["heldout/nll"].values) == list(exact.metrics["heldout/nll"].values)
    for name in ("step", "elapsed", "damaged", "unknown", "first_time", "last_time", "phases"):
        assert getattr(thinned, name) == getattr(exact, name), name
    assert max(thinned.metrics["train/loss"].values) < 1
    assert (thinned.progress.done, thinned.update.done) == (exact.progress.done, exact.update.done)


def test_a_short_log_is_read_whole(log: Path) -> None:
    assert read_history(log).rows == whole(log).rows


def test_a_thinned_log_is_followed_as_it_grows(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "FULL", log.stat().st_size // 9)
    follower, history = reader.ThinningReader(log), RunHistory()
    while found := follower.poll():
        history.take(found)
    line = {"seq": 10**6, "time": 7e3, "kind": "metrics", "values": {"train/loss": 0.25}, "step": STEPS + 1}
    with log.open("a") as file:
        file.write(json.dumps(line) + "\n")
    history.take(follower.poll())
    assert history.last("train/loss") == 0.25
    assert history.step == STEPS + 1
