"""Names of runs become studies, arms and seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.dashboard.store import Line
from irltui.dashboard.tree import Item, place_of
from irltui.runs.status import State, Status


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("first", ("first", "", "")),
        ("quickstart/seed-0/irft", ("quickstart", "irft", "seed-0")),
        ("first/seed-12", ("first", "", "seed-12")),
        ("grid/lr=1e-6/seed-0", ("grid", "lr=1e-6", "seed-0")),
        ("mine/grid/a", ("mine/grid", "a", "")),
        ("seed-3", ("seed-3", "", "seed-3")),
    ],
)
def test_a_name_tells_study_arm_and_seed(name: str, place: tuple[str, str, str]) -> None:
    assert place_of(name) == place


def line(seed: int, state: State, step: int, **values: float) -> Line:
    status = Status(state, "", step, 10 if step else 0, 0, 0, 0.0, "box", dict(values))
    return Line(Path(f"a/seed-{seed}"), f"a/seed-{seed}", status, "irft", "m", ())


def test_an_arm_has_the_mean_of_its_seeds_the_share_of_all_and_the_state_that_matters() -> None:
    arm = Item(("a",), "a", (line(0, State.FINISHED, 10, gap=1.0), line(1, State.RUNNING, 5, gap=2.0)))
    waiting = Item(("a",), "a", (*arm.lines[:1], line(1, State.WAITING, 0)))
    assert (arm.value("gap"), arm.share, arm.state, arm.line) == (1.5, 0.75, State.RUNNING, arm.lines[1])
    assert (waiting.value("gap"), waiting.share, waiting.state) == (1.0, 0.5, State.WAITING)
    assert waiting.value("other") is None
    failed = Item(("a",), "a", (line(0, State.FAILED, 3), line(1, State.FINISHED, 10)))
    assert (failed.state, failed.line) == (State.FAILED, failed.lines[0])
