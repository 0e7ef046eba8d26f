"""Rows are worked on in groups of a bounded number and size."""

from irltui.data.groups import groups


def test_a_group_ends_at_its_number_or_once_its_size_is_exceeded_and_nothing_is_lost() -> None:
    assert list(groups([1, 1, 1, 9, 1, 1, 1], lambda item: item, most=3, largest=5)) == [[1, 1, 1], [9], [1, 1, 1]]
    assert list(groups([5, 5], lambda item: item, most=3, largest=5)) == [[5, 5]]
    assert list(groups(iter(()), lambda item: 1, most=3, largest=5)) == []
