"""Choosing runs by words and settings."""

from __future__ import annotations

import pytest

from irltui.views.run_query import matches

CONFIG = {
    "optimizer.learning_rate": "1e-05",
    "model.name": "meta-llama/Llama-3.2-1B",
    "reward.beta": "0.5",
    "loop.batch": "16",
}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", True),
        ("first failed", True),
        ("first running", False),
        ("lr>=1e-5 model~llama", True),
        ("lr>1e-5", False),
        ("beta=0.5 first", True),
        ("beta!=0.50", False),
        ("batch<32", True),
        ("loop.batch<=8", False),
        ("model>3", False),
        ("nothing=1", False),
    ],
)
def test_every_term_must_hold(query: str, expected: bool) -> None:
    assert matches(query, "first FAILED irft", CONFIG) is expected
