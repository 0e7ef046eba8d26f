from __future__ import annotations

from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from irltui.data.order import batches, chunk

COUNTS = st.integers(1, 60)
SEEDS = st.integers(0, 2**32)
GOLDEN_CHUNK = [1, 0, 2, 7, 8]
GOLDEN_BATCHES = [[0, 1], [2, 3], [4], [3, 0], [1, 2], [4]]


@given(count=COUNTS, per_pass=st.integers(1, 12), passes=st.integers(1, 3), seed=SEEDS, shuffle=st.booleans())
def test_every_pass_sees_every_demonstration_once(count, per_pass, passes, seed, shuffle):
    for p in range(passes):
        chunks = [chunk(count, p * per_pass + i, per_pass, seed, shuffle=shuffle) for i in range(per_pass)]
        assert sorted(i for piece in chunks for i in piece) == list(range(count))
        assert max(map(len, chunks)) - min(map(len, chunks)) <= 1


@given(count=COUNTS, size=st.integers(1, 9), seed=SEEDS, t=st.integers(0, 9))
def test_every_epoch_sees_every_index_once(count, size, seed, t):
    indices = [10 * i for i in range(count)]
    per_epoch = -(-count // size)
    stream = batches(indices, size, seed, t)
    for _ in range(3):
        epoch = list(islice(stream, per_epoch))
        assert sorted(i for batch in epoch for i in batch) == indices
        assert all(len(batch) == size for batch in epoch[:-1])


def test_passes_outer_iterations_and_epochs_draw_orders_of_their_own():
    passes = [chunk(40, t, 1, 0) for t in range(3)]
    assert len({tuple(order) for order in passes}) == 3
    epochs = list(islice(batches(range(40), 40, 0, 0), 3))
    assert epochs[0] == list(range(40))
    assert epochs[1] != epochs[2] != epochs[0]
    assert next(islice(batches(range(40), 40, 0, 1), 1, None)) != epochs[1]


def test_the_order_is_the_same_on_every_machine():
    assert chunk(10, 0, 2, seed=0) == GOLDEN_CHUNK
    assert list(islice(batches(range(5), 2, 7, 3), 6)) == GOLDEN_BATCHES


def test_without_shuffling_the_order_is_the_data_s_own():
    assert chunk(5, 0, 2, 0, shuffle=False) == [0, 1, 2]
    assert chunk(5, 3, 2, 0, shuffle=False) == [3, 4]


def test_no_indices_make_no_batches():
    assert list(batches([], 4, 0, 0)) == []
