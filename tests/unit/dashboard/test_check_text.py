"""What Check says of data and configuration."""

from __future__ import annotations

from irltui.dashboard.widgets.check_text import config_lines, mask_lines, report_lines
from irltui.runs.data_report import DataReport, MaskedRow, Tally


def report(dropped: int, rows: int = 100) -> str:
    tally = {"no text": Tally(dropped, [3])} if dropped else {}
    data = DataReport(rows=rows, train=rows - dropped, dropped=tally)
    return "\n".join(line.plain for line in report_lines(data, {"data": {"max_prompt_tokens": 77}}))


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
    text = "\n".join(line.plain for line in mask_lines(row, 0, 4))
    assert "prompt: 10 tokens, no loss" in text
    assert "... 8 tokens" in text
    assert "a↵\nb" in text
    assert "response: 3 tokens, each with loss" in text
    assert "no end token" in text
    assert "\x1b" not in text


def test_values_that_nobody_set_are_left_out_until_asked_for() -> None:
    config = {"loop": {"batch": 8, "passes": 1}}
    origins = {"loop.batch": "--set loop.batch=8"}
    few = [line.plain for line in config_lines(config, origins, everything=False)]
    assert few == ["loop.batch = 8  --set"]
    assert len(config_lines(config, origins, everything=True)) == 2


def test_a_configuration_of_the_wrong_shape_is_shown_as_far_as_it_goes() -> None:
    assert config_lines({}, {}, everything=True)
    assert config_lines({"a": [1, {"b": "\x1b"}]}, {"a": 3}, everything=True)
