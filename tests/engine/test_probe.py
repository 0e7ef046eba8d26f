"""The probe of `irltui check` takes as many of a run's rows as a few seconds allow."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.api.registry import Registry
from irltui.config.schema import RunConfig
from irltui.preflight import probe
from support import runs, tiny


def config(tmp_path: Path) -> RunConfig:
    demos = runs.demonstrations(tmp_path / "demos.jsonl", 40)
    values = runs.config(tiny.folder(tmp_path / "model"), demos, {"data": {"max_response_tokens": 8}})
    return RunConfig.model_validate(values, context={"registry": Registry()})


@pytest.mark.parametrize(("seconds", "generations"), [(0.0, 8), (600.0, 32)])
def test_a_round_is_sampled_and_another_only_while_there_is_time(
    seconds: float, generations: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "SAMPLING", seconds)  # the training rows have 32 prompts
    said: list[str] = []
    found = probe.probe(config(tmp_path), said.append)
    assert found.seen.generations == generations
    assert said[-1] == f"timing scoring and training on {generations} of them"
    assert min(found.rates.read, found.rates.written, found.rates.scored, found.rates.learned) > 0


def test_the_first_rows_of_a_round_are_spread_over_all() -> None:
    assert sorted(probe._scattered(64)[:8]) == list(range(0, 64, 8))
    assert sorted(probe._scattered(3)) == [0, 1, 2]
