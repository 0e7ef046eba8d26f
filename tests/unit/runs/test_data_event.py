"""The data event, read without trust."""

from __future__ import annotations

import math

import pytest

from irltui.runs.data_event import LONGEST, read_data
from irltui.runs.events import Event, Kind
from irltui.runs.history import RunHistory

JUNK = [None, 3, "text", [], [[]], {"a": 1}, math.nan, True]


def test_a_report_is_read_with_its_rows() -> None:
    data = read_data(
        {
            "report": {
                "rows": 9,
                "train": 7,
                "dropped": {"bad": {"count": 2, "rows": [1, 5]}},
                "prompts": {"mean": 2.5},
            },
            "masked": [{"id": "row-1", "prompt": ["a"], "response": ["b", "c"], "response_tokens": 2, "ended": True}],
        }
    )
    assert (data.rows, data.train, data.prompts.mean) == (9, 7, 2.5)
    assert (data.dropped[0].reason, data.dropped[0].count, data.dropped[0].rows) == ("bad", 2, (1, 5))
    assert data.masked[0].response == ("b", "c")
    assert data.masked[0].ended


@pytest.mark.parametrize("junk", JUNK, ids=repr)
def test_wrong_types_anywhere_are_absent_and_no_error(junk: object) -> None:
    fields = ("dropped", "cut", "prompts", "unused", "rows", "source")
    read_data({"report": junk, "masked": junk})
    read_data({"report": dict.fromkeys(fields, junk), "masked": [junk, {"prompt": junk, "response": [junk]}]})
    read_data({"report": {"dropped": {"reason": junk}, "cut": {"reason": {"count": junk, "rows": [junk]}}}})


def test_endless_rows_are_cut() -> None:
    data = read_data({"masked": [{"prompt": ["x"] * 100_000, "response": []}] * 1_000})
    assert len(data.masked) < 100
    assert len(data.masked[0].prompt) == LONGEST


def test_a_history_keeps_the_newest_report() -> None:
    history = RunHistory()
    history.take(Event(i, 1.0, Kind.DATA, {"report": {"rows": i}}) for i in (1, 2))
    assert history.data is not None
    assert history.data.rows == 2
    assert history.damaged == 0
