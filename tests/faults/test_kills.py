"""A run that is killed anywhere continues as if nothing had happened."""

from __future__ import annotations

from pathlib import Path

import pytest

from faults import kills


@pytest.mark.parametrize("name", kills.RUNS)
def test_a_killed_run_continues_to_identical_weights_metrics_and_samples(tmp_path: Path, name: str) -> None:
    known = kills.whole(tmp_path, name)
    assert sum(len(kills.trial(tmp_path, name, known, seed)) for seed in range(2)) >= 1
