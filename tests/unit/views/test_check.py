"""What `irltui check` and the dashboard say of data and configuration."""

from __future__ import annotations

from irltui.runs.data_report import DataReport, MaskedRow, Tally
from irltui.views.check import config_rows, data_rows, mask_rows
from irltui.views.spans import Row


def text_of(rows: list[Row]) -> str:
    return "\n".join("".join(span.text for span in row) for row in rows)


def report(dropped: int, rows: int = 100) -> str:
    tally = {"no text": Tally(dropped, [3])} if dropped else {}
    data = DataReport(rows=rows, train=rows - dropped, dropped=tally)
    return text_of(data_rows(data, {"data": {"max_prompt_tokens": 77}}, 100))


def test_a_few_lost_rows_are_told_many_are_asked_about() -> None:
    assert "no row was dropped" in report(0)
    assert "dropped 5: no text (rows 3, ...)" in report(5)
    assert "is that meant?" not in report(5)
    assert "40% of the rows are lost: is that meant?" in report(40)


def test_lengths_stand_beside_their_limits() -> None:
    assert "77" in report(0)
    assert "limit" in report(0)


def test_a_row_tells_which_tokens_have_loss_and_how_many_are_not_shown() -> None:
    row = MaskedRow("row-9", ("a\n", "b"), ("c", "\x1b[2J"), 10, 3, ended=False)
    text = text_of(mask_rows(row, 0, 4, 80))
    assert "prompt: 10 tokens, no loss" in text
    assert "... 8 tokens" in text
    assert "a↵\nb" in text
    assert "response: 3 tokens, each with loss" in text
    assert "teaches nothing about stopping" in text
    assert "\x1b" not in text


def test_values_that_nobody_set_are_left_out_until_asked_for() -> None:
    config = {"loop": {"batch": 8, "passes": 1}}
    origins = {"loop.batch": "--set loop.batch=8"}
    few = text_of(config_rows(config, origins, everything=False))
    assert few == "loop.batch = 8  --set"
    assert len(config_rows(config, origins, everything=True)) == 2


def test_a_configuration_of_the_wrong_shape_is_shown_as_far_as_it_goes() -> None:
    assert config_rows({}, {}, everything=True)
    assert config_rows({"a": [1, {"b": "\x1b"}]}, {"a": 3}, everything=True)
