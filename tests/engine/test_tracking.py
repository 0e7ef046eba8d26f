"""Trackers get what events.jsonl has: TensorBoard's files are read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from accelerate.tracking import GeneralTracker, get_available_trackers
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from irltui.engine.safepoint import SafePoint
from irltui.engine.tracking import Tracking
from irltui.errors import EXIT_USAGE
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.reader import read_events
from support.runs import config, demonstrations, events, finish, prepare, work
from support.tiny import folder

Series = dict[str, dict[int, float]]


@pytest.fixture
def values(tmp_path: Path) -> dict[str, Any]:
    inputs = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)
    (tmp_path / "held.jsonl").write_text('{"prompt": "a?", "completion": "the cat"}\n' * 2)
    nll = {"kind": "heldout_nll", "data": str(tmp_path / "held.jsonl")}
    return config(*inputs, {"tracking": {"trackers": ["tensorboard"]}, "benchmarks": {"nll": nll}})


def tracked(run: RunFolder) -> Series:
    """Tag to step to the last value there, as TensorBoard shows them."""
    read = EventAccumulator(str(run.path / "tracking" / "tensorboard"), size_guidance={"scalars": 0})
    read.Reload()
    return {tag: {e.step: e.value for e in read.Scalars(tag)} for tag in read.Tags()["scalars"]}


def written(run: RunFolder) -> Series:
    """The same of events.jsonl."""
    found: Series = {}
    for event in events(run, Kind.METRICS, Kind.EVALUATION):
        values = event.values
        if event.kind == Kind.EVALUATION:
            values = {f"{event.benchmark}/{name}": value.mean for name, value in values.items()}
        for name, value in values.items():
            found.setdefault(name, {})[event.step] = value
    return found


def without_times(series: Series) -> Series:
    return {name: steps for name, steps in series.items() if not name.startswith(("speed/", "memory/"))}


def test_tensorboard_shows_every_metric_of_a_run_under_its_name(tmp_path: Path, values: dict[str, Any]) -> None:
    run = finish(tmp_path / "run", values)
    shown, due = tracked(run), written(run)
    assert {"reward/gap", "train/loss", "heldout/nll", "nll/nll"} <= shown.keys()
    assert shown.keys() == due.keys()
    for name, steps in due.items():
        assert shown[name] == pytest.approx(steps, rel=1e-6), name
    (stored,) = (run.path / "tracking" / "tensorboard").rglob("hparams.yml")
    assert "loop.batch: 4\n" in stored.read_text()
    assert "tracking.trackers: '[\"tensorboard\"]'\n" in stored.read_text()


@pytest.mark.parametrize("lost", [True, False], ids=["crashed", "stopped"])
def test_a_resumed_run_goes_on_with_the_log_it_began(
    tmp_path: Path, values: dict[str, Any], monkeypatch: pytest.MonkeyPatch, lost: bool
) -> None:
    whole = finish(tmp_path / "whole", values)
    run = prepare(tmp_path / "run", values)
    asked = {"n": 0}

    def poll(self: SafePoint) -> None:
        asked["n"] += 1
        if asked["n"] == 30:
            raise KeyboardInterrupt if lost else RuntimeError("stop here")

    with monkeypatch.context() as patched:
        patched.setattr(SafePoint, "poll", poll)
        if lost:
            with pytest.raises(KeyboardInterrupt):
                work(run)
        else:
            assert work(run) == 1
    assert work(run) == 0
    assert without_times(tracked(run)) == without_times(tracked(whole))
    assert len(list((run.path / "tracking" / "tensorboard").rglob("hparams.yml"))) == 1


def test_a_tracker_whose_package_is_missing_is_told_before_anything_is_loaded(
    tmp_path: Path, values: dict[str, Any]
) -> None:
    missing = {"wandb", "trackio", "mlflow"} - {str(name) for name in get_available_trackers()}
    if not missing:
        pytest.skip("every tracker is installed here")
    name = min(missing)
    values["tracking"] = {"trackers": [name]}
    run = prepare(tmp_path / "run", values)
    assert work(run) == EXIT_USAGE
    end = read_events(run.events)[-1]
    assert end.reason == f"tracking.trackers: {name!r} is not installed"
    assert f"pip install 'irltui[{name}]'" in end.hint


def test_a_tracker_that_does_not_start_is_named(tmp_path: Path, values: dict[str, Any]) -> None:
    run = prepare(tmp_path / "run", values)
    (run.path / "tracking").mkdir()
    (run.path / "tracking" / "tensorboard").write_text("a file where a folder should be")
    assert work(run) == 1
    assert read_events(run.events)[-1].reason.startswith("tracking.trackers: 'tensorboard' does not start: ")


class Unreachable(GeneralTracker):
    name, requires_logging_directory, tracker = "unreachable", False, None

    def log(self, values: dict, step: int | None = None, **kwargs: Any) -> None:
        raise OSError("no network")


def test_a_tracker_that_fails_later_is_told_once_and_left_out() -> None:
    told: list[str] = []
    tracking = Tracking({"unreachable": Unreachable(_blank=True)}, lambda code, text: told.append(f"{code}: {text}"))
    tracking.log({"train/loss": 1.0}, 1)
    tracking.log({"train/loss": 1.0}, 2)
    tracking.finish()
    assert told == ["tracking: Tracker unreachable failed, and the run continues without it: OSError('no network')"]
