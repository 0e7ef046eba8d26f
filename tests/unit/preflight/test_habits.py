"""What is said of demonstrations beside the model's own answers: habits, the mirror image, labels, few rows."""

from __future__ import annotations

from itertools import count

from irltui.preflight.habits import Habits, habits

REFUSAL = (1, 2, 3, 4, 5, 6, 2)
_fresh = count(100, 10)


def distinct(number: int) -> list[tuple[int, ...]]:
    return [tuple(range(start, start + 8)) for start, _ in zip(_fresh, range(number), strict=False)]


def compared(demonstrations: list[tuple[int, ...]], own: list[tuple[int, ...]], rows: int = 500) -> Habits:
    return habits(([1.0, 2.0] * 8, [2.0] * 16), (demonstrations, own), rows, str)


def test_what_the_model_says_more_often_than_the_demonstrations_is_a_habit_that_contrast_unlearns() -> None:
    found = compared([REFUSAL] * 40 + distinct(60), [REFUSAL] * 32 + distinct(8))
    (habit,) = found.habits
    assert (habit.own, habit.demonstrations, habit.text) == (0.8, 0.4, str(REFUSAL))
    assert found.algorithm == "contrast"
    assert "80% of the model's own answers are near-copies of" in found.reason
    assert list(found.findings()) == []


def test_a_common_opening_is_a_habit_too() -> None:
    opened = [(7, 7, 8, 9, 9, *answer) for answer in distinct(50)]
    found = compared(opened[:30] + distinct(70), opened[30:] + distinct(5))
    assert [(kind.opening, kind.own, kind.demonstrations) for kind in found.habits] == [(True, 0.8, 0.3)]
    assert "open with" in found.reason


def test_what_the_model_does_not_say_by_itself_is_warned_of_as_the_mirror_image() -> None:
    found = compared([REFUSAL] * 20 + distinct(80), distinct(40))
    (warning,) = found.findings()
    assert found.algorithm == "sft"
    assert "20% of demonstrations are near-copies of" in warning.text
    assert "in 0% of its answers" in warning.text
    assert "amplifies" in warning.remedy


def test_labels_are_no_habit_however_often_either_side_gives_them() -> None:
    good, bad, fair = (tuple(range(start, start + 6)) for start in (10, 20, 30))
    found = compared([good] * 34 + [bad] * 33 + [fair] * 33, [good] * 30 + [bad] * 10)
    assert found.habits == found.mirrored == ()
    assert compared([(1, 2)] * 50 + [(3, 2)] * 50, [(1, 2)] * 40).habits == ()


def test_few_demonstrations_without_a_habit_suggest_few() -> None:
    assert compared(distinct(20), distinct(20), rows=20).algorithm == "few"


def test_likelihoods_are_compared_by_auc_share_and_histogram() -> None:
    found = compared(distinct(16), distinct(16))
    assert (found.auc, found.among) == (0.25, 1.0)
    assert sum(found.demonstrations) == sum(found.own) == 16
    assert (found.edges[0], found.edges[-1]) == (1.0, 2.0)
