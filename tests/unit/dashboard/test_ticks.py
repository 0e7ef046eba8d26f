"""What stands beside an axis."""

from __future__ import annotations

import pytest

from irltui.dashboard.widgets.plot import Ticks


@pytest.mark.parametrize(
    ("ticks", "labels"),
    [
        ([0.0, 0.5, 1.0], ["0", "0.5", "1"]),
        ([0.6931, 0.6932, 0.6933], ["0.6931", "0.6932", "0.6933"]),
        ([0.69314, 0.69316], ["0.69314", "0.69316"]),
        ([0.6931471, 0.6931472], ["0.69315", ""]),
        ([600e6, 650e6], ["600M", "650M"]),
    ],
)
def test_ticks_that_lie_close_have_the_digits_that_tell_them_apart(ticks: list[float], labels: list[str]) -> None:
    assert Ticks().get_labels_for_ticks(ticks) == labels
