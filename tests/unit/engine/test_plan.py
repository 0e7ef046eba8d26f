"""Which demonstrations are seen when: every one once a pass, in chunks, whatever the counts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irltui.config.schema import LoopSection
from irltui.data.order import batches, chunk
from irltui.engine.plan import make_plan
from irltui.errors import ConfigError

COUNTS = st.integers(1, 60)


@given(count=COUNTS, per_pass=st.integers(1, 8), passes=st.integers(1, 3), seed=st.integers(0, 9))
def test_each_pass_cuts_all_demonstrations_into_chunks_of_like_size(
    count: int, per_pass: int, passes: int, seed: int
) -> None:
    for p in range(passes):
        chunks = [chunk(count, p * per_pass + i, per_pass, seed) for i in range(per_pass)]
        assert sorted(itertools.chain(*chunks)) == list(range(count))
        assert max(map(len, chunks)) - min(map(len, chunks)) <= 1


def test_passes_and_seeds_shuffle_anew_and_repeatably() -> None:
    assert chunk(40, 0, 1, 0) == chunk(40, 0, 1, 0)
    assert len({tuple(chunk(40, t, 1, seed)) for t in (0, 1) for seed in (0, 1)}) == 4
    assert chunk(40, 3, 1, 0, shuffle=False) == list(range(40))


def test_the_order_is_the_same_on_every_machine() -> None:
    assert chunk(10, 0, 1, 0) == [1, 0, 2, 7, 8, 9, 3, 6, 4, 5]


@given(count=COUNTS, size=st.integers(1, 9), epochs=st.integers(1, 3))
def test_batches_go_over_all_indices_once_an_epoch(count: int, size: int, epochs: int) -> None:
    per_epoch = -(-count // size)
    found = list(itertools.islice(batches(range(count), size, 0, 0), per_epoch * epochs))
    for e in range(epochs):
        assert sorted(itertools.chain(*found[e * per_epoch : (e + 1) * per_epoch])) == list(range(count))
    assert max(map(len, found)) <= size


@given(
    count=COUNTS,
    outer=st.integers(1, 6),
    batch=st.integers(1, 9),
    epochs=st.integers(1, 3),
    passes=st.integers(1, 2),
    fixed=st.none() | st.integers(1, 7),
)
def test_a_plan_keeps_its_own_count_and_can_be_entered_anywhere(
    count: int, outer: int, batch: int, epochs: int, passes: int, fixed: int | None
) -> None:
    loop = LoopSection(
        passes=passes, outer_iterations=min(outer, count), batch=batch, inner_epochs=epochs, inner_steps=fixed or "auto"
    )
    plan = make_plan(loop, count, 0)
    total = 0
    for t in range(plan.outer_iterations):
        assert plan.steps_before[t] == total
        whole = list(plan.batches(t, 0))
        assert len(whole) == plan.inner_steps(t)
        assert set(itertools.chain(*whole)) == set(plan.demonstrations(t))
        middle = len(whole) // 2
        assert list(plan.batches(t, middle)) == whole[middle:]
        total += len(whole)
    assert plan.total_steps == total


def test_spin_is_one_outer_iteration_over_everything() -> None:
    plan = make_plan(LoopSection(outer_iterations=1, batch=8), 40, 0)
    assert (plan.outer_iterations, plan.inner_steps(0), len(plan.demonstrations(0))) == (1, 5, 40)


def test_fresh_generations_at_every_step_still_see_every_demonstration_once() -> None:
    """The K = 1 control: as many outer iterations as there are batches."""
    plan = make_plan(LoopSection(outer_iterations="auto", inner_steps=1, batch=8), 40, 0)
    assert plan.outer_iterations == 5
    seen = sorted(i for t in range(5) for i in plan.demonstrations(t))
    assert seen == list(range(40))


def test_more_outer_iterations_than_demonstrations_is_an_error_with_both_numbers() -> None:
    with pytest.raises(ConfigError, match="but only 5 training demonstrations\n  dropped, duplicate: 4"):
        make_plan(LoopSection(outer_iterations=9), 5, 0, losses=["dropped, duplicate: 4 (rows 1, 2, 3, 4)"])


def test_a_numeric_inner_steps_knows_how_many_demonstrations_it_leaves_unused() -> None:
    plan = make_plan(LoopSection(outer_iterations=2, inner_steps=2, batch=4), 36, 0)
    assert (plan.used, plan.unused) == (16, 20)
    assert make_plan(LoopSection(outer_iterations=2, batch=4), 36, 0).unused == 0
    more = make_plan(LoopSection(passes=9, outer_iterations=2, inner_steps=2, batch=4), 36, 0)
    assert more.unused < 20  # every pass shuffles anew


def test_prompts_without_demonstrations_are_spread_over_the_outer_iterations_of_each_pass() -> None:
    made = replace(make_plan(LoopSection(passes=2, outer_iterations=3), 12, seed=0), prompts=7)
    passes = [[made.more_prompts(t) for t in range(start, start + 3)] for start in (0, 3)]
    for iterations in passes:
        assert sorted(i for indices in iterations for i in indices) == list(range(7))
        assert {len(indices) for indices in iterations} == {2, 3}
    assert passes[0] != passes[1]
