"""A cause that recurs is one line with a count."""

from __future__ import annotations

from irltui.runs.events import Advice, Alert
from irltui.views.alerts import counted, times


def alert(step: int, code: str) -> Alert:
    return Alert(step, "warning", code, f"{code} {step}")


def test_the_latest_of_each_cause_stays_with_its_count_in_the_order_of_the_latest() -> None:
    messages = [alert(1, "overshoot"), alert(2, "equal"), alert(3, "overshoot"), Advice(4, 0, "go_on", "Go on.")]
    found = counted(messages)
    assert [(each.text, count) for each, count in found] == [("equal 2", 1), ("overshoot 3", 2), ("Go on.", 1)]
    assert [times(count) for _, count in found] == ["", " (2 times)", ""]
    assert counted(list[Alert]()) == []
