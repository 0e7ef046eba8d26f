"""How an optimizer step's rows become forward passes."""

from __future__ import annotations

from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from irltui.engine.micro_batches import STRETCH, Micro, micro_batches

LENGTHS = st.lists(st.integers(1, 300), min_size=1, max_size=9)


def cut(lengths: list[int], size: int) -> list[Micro[int]]:
    return micro_batches(lengths, 0.5, size, lambda length: length)


def tokens(passes: list[list[int]]) -> int:
    return sum(len(rows) * max(rows) for rows in passes)


@given(LENGTHS, st.integers(1, 5))
def test_no_way_to_cut_into_as_many_passes_within_the_bound_has_less_padding(lengths: list[int], size: int) -> None:
    ordered, most = sorted(lengths), size * max(lengths)
    ways = []
    for cuts in combinations(range(1, len(lengths)), -(-len(lengths) // size) - 1):
        way = [ordered[a:b] for a, b in zip((0, *cuts), (*cuts, len(lengths)), strict=True)]
        if all(tokens([rows]) <= most for rows in way):
            ways.append(tokens(way))
    assert tokens([list(micro.rows) for micro in cut(lengths, size)]) == min(ways)


@given(st.lists(st.integers(1, 300), max_size=200), st.integers(1, 5))
def test_every_row_is_in_one_pass_with_its_weight_and_the_last_pass_is_marked(lengths: list[int], size: int) -> None:
    micros = cut(lengths, size)
    assert [length for micro in micros for length in micro.rows] == sorted(lengths)
    assert all(micro.rows and micro.weights == [0.5] * len(micro.rows) for micro in micros)
    assert [micro.last for micro in micros] == [False] * (len(micros) - 1) + [True] * bool(micros)


def test_long_steps_are_cut_in_stretches_of_bounded_work() -> None:
    lengths = list(range(1, 4 * STRETCH * 10 + 1))
    micros = cut(lengths, 4)
    assert len(micros) == STRETCH * 10
    assert [length for micro in micros for length in micro.rows] == lengths
