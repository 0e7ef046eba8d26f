"""Names of runs become studies, arms and seeds."""

from __future__ import annotations

import pytest

from irltui.dashboard.tree import place_of


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
