"""Small charts of `irltui show`."""

import math

from irltui.runs.events import Metrics
from irltui.runs.history import RunHistory
from irltui.views import text_charts


def history(metric: str, values: list[float]) -> RunHistory:
    found = RunHistory()
    found.take(Metrics({metric: value}, i, seq=i, time=float(i)) for i, value in enumerate(values))
    return found


def charts(found: RunHistory, width: int) -> str:
    return "\n".join(line.plain.rstrip() for line in text_charts.charts([[found]], width))


def test_a_chart_shows_limits_steps_and_shape() -> None:
    lines = charts(history("reward/gap", [0.0, 1.0, 2.0, 3.0]), 60).splitlines()
    assert lines[0].split() == ["reward", "gap"]
    assert lines[1].split()[0] == "3.00"
    assert lines[5].split()[0] == "0"
    assert lines[6].split() == ["step", "0", "3"]
    assert lines[1].rstrip("⠀")[-1] != "⠀"  # it rises: its end is at the top
    assert all(len(line) <= 60 for line in lines)


def test_charts_stand_beside_each_other_where_there_is_room() -> None:
    found = history("reward/gap", [0.0, 1.0, 2.0])
    found.take(Metrics({"train/loss": 1.0}, i, seq=9 + i, time=9.0 + i) for i in range(3))
    assert len(charts(found, 100).splitlines()) == 7
    assert len(charts(found, 50).splitlines()) == 15


def test_too_few_points_are_no_chart() -> None:
    assert charts(history("reward/gap", [1.0, 2.0]), 80) == ""
    assert charts(RunHistory(), 80) == ""


def test_numbers_that_are_not_finite_are_counted_and_left_out() -> None:
    assert "reward gap, 2 not finite" in charts(history("reward/gap", [1.0, math.nan, math.inf, 2.0, 3.0]), 80)
    assert charts(history("reward/gap", [math.nan] * 4), 80)


def test_a_flat_or_huge_curve_is_drawn() -> None:
    assert charts(history("reward/gap", [5.0] * 4), 80)
    assert "1e30" in charts(history("reward/gap", [0.0, 1e30, -1e30]), 80)
