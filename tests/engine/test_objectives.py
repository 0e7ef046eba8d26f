"""Objectives of plugins in a run: what they are handed, what they tell, and what is said of those that are wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from irltui.runs.events import Kind
from support.runs import config, demonstrations, events, finish, prepare, work
from support.tiny import folder

pytestmark = pytest.mark.usefixtures("trust_code")

CONTRAST = """
from irltui.api import *

class Mine(ObjectiveSpec):
    '''Hinge on the worst of two generations.'''
    reward = "implicit"
    margin: float = 0.5
    @property
    def draws(self):
        return 2
    def build(self, context):
        return Hinge(self.margin, context.metric)

class Hinge(Objective):
    def __init__(self, margin, metric):
        self.margin, self.metric = margin, metric
    def losses(self, batch):
        for demonstration, generations in zip(batch.demonstrations, batch.generations, strict=True):
            own = {generation.prompt_id.partition("#")[0] for generation in generations}
            assert own == {demonstration.prompt.id} and len(generations) == 2
            self.metric("mine/characters", len(demonstration.text) + len(demonstration.prompt.text))
        return LOSSES
    def metrics(self, batch):
        return {"mine/worst": batch.gaps().min(-1).values.detach()}

@hookimpl
def irltui_objectives():
    return {"hinge": Mine}
"""
RIGHT = "(self.margin - batch.gaps().min(-1).values).clamp(min=0)"


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)


def configured(tmp_path: Path, inputs: tuple[Path, Path], losses: str) -> dict[str, Any]:
    (tmp_path / "mine.py").write_text(CONTRAST.replace("LOSSES", losses))
    values = config(*inputs, {"algorithm": "mine/hinge", "objective": {"margin": 0.4}})
    return {**values, "plugins": {"files": {"mine": {"path": str(tmp_path / "mine.py")}}}}


def test_a_plugins_objective_sees_rows_and_its_metrics_are_written_with_each_step(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    run = finish(tmp_path / "run", configured(tmp_path, inputs, RIGHT))
    steps = [e.values for e in events(run, Kind.METRICS) if "train/loss" in e.values]
    assert steps[0]["train/loss"] == pytest.approx(0.4, abs=1e-5)  # the policy is its own reference
    assert all(step["mine/characters"] > 0 and "mine/worst" in step for step in steps)
    assert steps[0]["mine/worst"] == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize(
    ("losses", "problem"),
    [
        ("batch.gaps()", "losses gives shape"),
        ("batch.weight * 0", "losses has no gradient"),
        ("batch.nothing", "losses raised AttributeError"),
    ],
)
def test_a_plugins_objective_that_breaks_its_contract_is_named(
    tmp_path: Path, inputs: tuple[Path, Path], losses: str, problem: str
) -> None:
    run = prepare(tmp_path / "run", configured(tmp_path, inputs, losses))
    assert work(run) == 1
    (end,) = events(run, Kind.RUN_END)
    assert "algorithm 'mine/hinge'" in end.reason
    assert problem in end.reason
