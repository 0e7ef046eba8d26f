"""Intervals and comparisons: exact where they can be, honest always."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from irltui.benchmarks.comparison import compare, read_metrics
from irltui.benchmarks.intervals import clustered_interval, mean_interval


def test_the_mean_is_exact_and_its_interval_repeatable() -> None:
    found = mean_interval([0.0, 1.0, 1.0, 0.0])
    assert (found.mean, found.n) == (0.5, 4)
    assert found == mean_interval([0.0, 1.0, 1.0, 0.0])
    assert found.low < 0.5 < found.high
    assert mean_interval([2.0, 2.0]).low == mean_interval([2.0, 2.0]).high == 2.0


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    stream = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        found = mean_interval(stream.normal(1.0, 1.0, 60).tolist())
        hits += found.low <= 1.0 <= found.high
    assert 0.88 <= hits / 200 <= 0.99


def test_seeds_of_one_item_count_as_one_measurement() -> None:
    """Repeating an item does not make it more certain."""
    stream = np.random.default_rng(1)
    by_item = stream.normal(0.0, 1.0, (40, 1))
    once, often = clustered_interval(by_item), clustered_interval(np.repeat(by_item, 10, axis=1))
    assert often.high - often.low == pytest.approx(once.high - once.low)


def items(shift: float, seed: int, count: int = 100) -> dict[str, float]:
    stream = np.random.default_rng(seed)
    return {f"item {i}": float(value) for i, value in enumerate(stream.normal(shift, 0.3, count))}


def test_an_effect_is_claimed_if_the_interval_excludes_zero_and_all_seeds_agree() -> None:
    better = compare([items(0.5, s) for s in (0, 1, 2)], [items(0.0, s) for s in (3, 4, 5)])
    assert better.verdict == 1
    worse = compare([items(0.0, s) for s in (3, 4, 5)], [items(0.5, s) for s in (0, 1, 2)])
    assert worse.verdict == -1
    assert worse.interval.mean == pytest.approx(-better.interval.mean)


def test_seeds_that_disagree_make_no_effect_whatever_the_interval() -> None:
    found = compare([items(2.0, 0), items(-0.2, 1)], [items(0.0, 2), items(0.0, 3)])
    assert found.interval.excludes_zero
    assert found.by_seed[0] > 0 > found.by_seed[1]
    assert found.verdict == 0


def test_no_difference_is_no_effect() -> None:
    same = [items(0.0, s) for s in (0, 1)]
    assert compare(same, same).verdict == 0


def test_arms_are_compared_on_the_items_they_share() -> None:
    first, second = {"a": 1.0, "b": 2.0, "c": 9.0}, {"a": 0.0, "b": 1.0, "d": 9.0}
    found = compare([first], [second])
    assert (found.interval.n, found.interval.mean) == (2, 1.0)
    with pytest.raises(ValueError, match="no item"):
        compare([{"a": 1.0}], [{"b": 1.0}])


def test_items_are_read_by_metric(tmp_path: Path) -> None:
    rows = [{"item": "a", "metric": "m", "value": 1}, {"item": "a", "metric": "n", "value": 2}]
    (tmp_path / "x.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert read_metrics(tmp_path / "x.jsonl")["n"] == {"a": 2.0}


ROUNDED = (
    "010 000 010 100 001 100 01- 000 101 000 000 000 0-0 0-1 -00 000 000 "
    "011 010 000 000 000 000 000 0-0 0-0 000 001 001 000 100 000 000 000"
)


def test_an_interval_that_ends_at_zero_but_for_rounding_is_no_effect() -> None:
    """The mean of a resample is 1/3 - 1/3 in some order of additions: 1.6e-18, which is zero."""
    first = [{f"{i:02d}": float(row[seed] == "1") for i, row in enumerate(ROUNDED.split())} for seed in range(3)]
    second = [{f"{i:02d}": float(row[seed] == "-") for i, row in enumerate(ROUNDED.split())} for seed in range(3)]
    found = compare(first, second)
    assert found.interval.low == 0
    assert found.verdict == 0


def test_differences_that_are_rounding_alone_are_no_effect() -> None:
    first = [{f"{i}": 0.1 + 0.2 for i in range(40)}]
    second = [{f"{i}": 0.3 for i in range(40)}]
    found = compare(first, second)
    assert (found.interval.mean, found.by_seed, found.verdict) == (0.0, (0.0,), 0)
    tiny = compare([{f"{i}": 3e-12 for i in range(40)}], [{f"{i}": 1e-12 for i in range(40)}])
    assert tiny.verdict == 1  # small is not rounding
