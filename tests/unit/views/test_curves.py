"""Smoothing, thinning and dots: what is drawn is what was measured."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from irltui.views import braille as dots
from irltui.views.curves import (
    Curve,
    Floats,
    ascending,
    limits,
    logarithmic,
    smooth,
    thin,
    value_at,
)

values = st.lists(st.floats(width=64) | st.just(math.nan), min_size=1, max_size=300)
tame = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=300)


def curve(y: list[float]) -> Curve:
    return Curve(np.arange(len(y), dtype=float), np.array(y, dtype=float))


def drawn(stretches: list[Curve]) -> Floats:
    return np.concatenate([piece.y for piece in stretches]) if stretches else np.empty(0)


@given(tame, st.integers(1, 50))
def test_thinning_keeps_the_smallest_and_the_largest_value(y: list[float], columns: int) -> None:
    thinned = thin(curve(y), 0.0, max(1.0, len(y) - 1.0), columns)
    shown = drawn(thinned.stretches)
    assert (shown.min(), shown.max()) == (min(y), max(y))
    assert len(shown) <= max(2 * (columns + 2), 2 * columns)


def test_a_spike_of_one_step_among_a_hundred_thousand_survives() -> None:
    y = [0.0] * 100_000
    y[54_321] = 9.0
    assert drawn(thin(curve(y), 0.0, 99_999.0, 80).stretches).max() == 9.0


@given(values, st.integers(1, 40))
def test_every_value_that_is_not_finite_leaves_a_mark(y: list[float], columns: int) -> None:
    thinned = thin(curve(y), 0.0, max(1.0, len(y) - 1.0), columns)
    assert bool(len(thinned.marks)) == any(not math.isfinite(v) or abs(v) >= 1e300 for v in y)
    assert np.isfinite(drawn(thinned.stretches)).all()


def test_a_gap_breaks_the_line() -> None:
    thinned = thin(curve([1, 2, math.nan, 3, 4]), 0.0, 4.0, 40)
    assert [list(piece.y) for piece in thinned.stretches] == [[1, 2], [3, 4]]


def test_what_lies_outside_is_left_out_but_for_one_point_on_each_side() -> None:
    thinned = thin(curve(list(range(100))), 40.0, 50.0, 400)
    assert drawn(thinned.stretches).tolist() == list(range(39, 52))


@given(tame, st.integers(1, 30))
def test_smoothing_is_the_mean_of_as_many_neighbours_on_each_side(y: list[float], window: int) -> None:
    smoothed = smooth(curve(y), window).y
    reaches = [min(window // 2, i, len(y) - 1 - i) if window > 1 else 0 for i in range(len(y))]
    expected = [np.mean(y[i - reach : i + reach + 1]) for i, reach in enumerate(reaches)]
    assert smoothed == pytest.approx(np.array(expected), abs=1e-6)


def test_smoothing_never_reaches_over_the_border_of_an_outer_iteration() -> None:
    saw = curve([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    assert smooth(saw, 9, borders=[2.0]).y.tolist() == saw.y.tolist()
    assert [piece.y.tolist() for piece in thin(saw, 0.0, 5.0, 40, [2.0]).stretches] == [[0, 1, 2], [0, 1, 2]]
    long = curve([*range(1_000), *range(1_000)])
    assert [piece.y.max() for piece in thin(long, 0.0, 1_999.0, 10, [999.0]).stretches] == [999.0, 999.0]


@given(values, st.integers(2, 30))
def test_smoothing_keeps_gaps_where_they_are(y: list[float], window: int) -> None:
    made = curve(y)
    bad = ~np.isfinite(made.y) | (np.abs(made.y) >= 1e300)
    if len(y) > 1:
        assert (np.isnan(smooth(made, window).y) == bad).all()


def test_a_logarithm_leaves_out_what_has_none_and_keeps_gaps() -> None:
    shown = logarithmic(curve([10.0, 0.0, -1.0, math.nan, 100.0]))
    assert shown.x.tolist() == [0, 3, 4]
    assert shown.y[0] == 1
    assert math.isnan(shown.y[1])


def test_points_out_of_order_are_put_in_order() -> None:
    sorted_ = ascending(np.array([3.0, 1.0, math.nan, 2.0]), np.array([30.0, 10.0, 0.0, 20.0]))
    assert sorted_.y.tolist() == [10, 20, 30]


@given(values)
def test_limits_hold_every_finite_value(y: list[float]) -> None:
    low, high = limits([np.array(y)])
    assert low < high
    assert all(low <= v <= high for v in y if math.isfinite(v) and abs(v) < 1e300)


def test_the_value_at_a_place_is_the_last_one_before_it() -> None:
    made = curve([5.0, 6.0, 7.0])
    assert value_at(made, 1.9) == 6
    assert value_at(made, math.inf) == 7
    assert math.isnan(value_at(made, -1))


@settings(max_examples=200)
@given(st.lists(st.tuples(st.floats(-50, 150), st.floats(-50, 150)), min_size=1, max_size=30))
def test_dots_of_a_connected_curve_have_no_hole(points: list[tuple[float, float]]) -> None:
    points.sort()
    field = dots.blank(20, 10)
    line = Curve(np.array([x for x, _ in points]), np.array([y for _, y in points]))
    dots.stroke(field, line)
    columns = np.flatnonzero(field.any(axis=0))
    for column in columns:
        rows = np.flatnonzero(field[:, column])
        assert rows[-1] - rows[0] + 1 == len(rows)


def test_braille_cells_have_their_dots_where_the_curve_is() -> None:
    field = dots.blank(1, 1)
    dots.stroke(field, Curve(np.array([0.0, 2.0]), np.array([0.5, 0.5])))
    assert chr(dots.BLANK + int(dots.cells(field)[0, 0])) == "⠉"
