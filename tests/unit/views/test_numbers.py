"""Figures, durations, differences of words, and text that is only ever drawn."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irltui.views.numbers import age, bytes_, compact, duration, figure, number, ticks
from irltui.views.spans import S, as_text, tail
from irltui.views.word_diff import ADDED, KEPT, REMOVED, is_rewritten, word_diff


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.4, "59s"), (59.6, "1m00s"), (3_599, "59m59s"), (3_600, "1h00m"), (90_000, "1d01h"), (None, "-")],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("room", "text"), [(17, "study/seed-0/irft"), (10, "…ed-0/irft"), (2, "…t"), (1, "…")])
def test_of_a_long_name_the_end_is_shown(room: int, text: str) -> None:
    assert tail("study/seed-0/irft", room) == text


@given(st.floats())
def test_a_duration_of_anything_is_short(seconds: float) -> None:
    assert len(duration(seconds)) < 312


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"), (math.nan, "NaN"), (math.inf, "∞"), (0, "0"), (0.69314, "0.693"), (-12.345, "-12.3"),
        (1_180.4, "1180"), (41_000.0, "41k"), (5e-7, "5e-7"), (1.234e-5, "1.23e-5"),
    ],
)  # fmt: skip
def test_figures_have_three_digits(value: float | None, text: str) -> None:
    assert figure(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (math.nan, "×"), (0, "0.000"), (-0.0351, "−0.035"), (0.0001, "0.000"), (1.184, "1.18"),
        (19_230, "19.2k"), (37.0, "37"), (12.345, "12.3"),
    ],
)  # fmt: skip
def test_screens_have_three_digits_and_at_most_three_decimals(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9), st.integers(2, 6))
def test_labels_of_an_axis_are_few_and_differ(low: float, span: float, most: int) -> None:
    marks, places = ticks(low, low + span, most)
    assert len(marks) <= most
    if span > abs(low) * 0.1:
        assert len({number(mark, places) for mark in marks}) == len(marks)


@given(st.floats())
def test_any_number_has_a_short_figure(value: float) -> None:
    assert 0 < len(figure(value)) <= 12


def test_amounts_have_units() -> None:
    assert (bytes_(2.3e9), compact(1.2e6), age(7_300)) == ("2.30 GB", "1.2M", "2h")


def test_a_word_that_changed_is_removed_and_added() -> None:
    pieces = [(piece.change, piece.text) for piece in word_diff("the light is red", "the sun is red")]
    assert pieces == [(KEPT, "the"), (REMOVED, " light"), (ADDED, " sun"), (KEPT, " is red")]


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_difference_holds_the_new_text_whole_and_all_words_of_the_old_one(old: str, new: str) -> None:
    pieces = word_diff(old, new)
    assert "".join(piece.text for piece in pieces if piece.change != REMOVED) == new
    if not is_rewritten(pieces):
        kept = "".join(piece.text for piece in pieces if piece.change != ADDED)
        assert "".join(kept.split()) == "".join(old.split())


def test_a_text_with_few_words_in_common_is_rewritten_as_a_whole() -> None:
    assert is_rewritten(word_diff("I am a model of language.", "Because air scatters light."))


def test_very_long_texts_are_not_compared_word_by_word() -> None:
    assert is_rewritten(word_diff("a " * 5_000, "b " * 5_000))


@given(st.text(max_size=60))
def test_a_row_on_a_terminal_has_no_control_and_no_markup(text: str) -> None:
    made = as_text([S(text)]).plain
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in made)
    if text.isascii() and text.isprintable():
        assert made == text
