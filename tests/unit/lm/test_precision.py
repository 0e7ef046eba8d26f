"""The precision that `auto` stands for: measured on CPUs, once per machine and shape."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from irltui.config.schema import ModelSection
from irltui.lm import precision
from irltui.lm.precision import SMALL, compute_precision, linear_weights, widths_of
from support import tiny

CPU = torch.device("cpu")
WIDTHS = (576, 1536)


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A CPU with bfloat16 instructions at a given rate; the list holds what was timed."""
    timed: list[torch.dtype] = []

    def of(ratio: float) -> list[torch.dtype]:
        def take(hidden: int, inner: int, dtype: torch.dtype) -> float:
            timed.append(dtype)
            return ratio if dtype == torch.bfloat16 else 1.0

        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        monkeypatch.setattr(precision, "_capabilities", lambda: {"avx512_bf16": True})
        monkeypatch.setattr(precision, "_time", take)
        return timed

    return of


def chosen(said: list[str] | None = None, parameters: int = 135_000_000, **section) -> str:
    made = ModelSection(name="m", **section)
    return compute_precision(made, parameters, WIDTHS, CPU, (said if said is not None else []).append)


@pytest.mark.parametrize(("ratio", "expected"), [(0.3, "bf16"), (0.95, "no"), (2.0, "no")])
def test_auto_is_bfloat16_only_where_it_saves_time_and_says_why(machine, ratio, expected) -> None:
    machine(ratio)
    said: list[str] = []
    assert chosen(said) == expected
    assert f"takes {ratio:.2f} times as long in bfloat16" in said[0]
    assert ("bfloat16" if expected == "bf16" else "float32") in said[0].partition(":")[0]


def test_a_machine_is_timed_once_and_again_where_it_is_another(machine, monkeypatch, tmp_path) -> None:
    timed = machine(0.5)
    assert [chosen(), chosen()] == ["bf16", "bf16"]
    assert len(timed) == 2
    monkeypatch.setattr(precision, "_capabilities", lambda: {"avx512_bf16": True, "amx_bf16": True})
    chosen()
    assert len(timed) == 4
    (cache,) = tmp_path.rglob("*.json")
    assert len(json.loads(cache.read_text())) == 2


@pytest.mark.parametrize("content", ["", "[1]", "{", '{"a": "b"}'])
def test_a_damaged_cache_is_measured_anew(machine, tmp_path, content) -> None:
    machine(0.5)
    (tmp_path / "irltui").mkdir()
    (tmp_path / "irltui" / "precision.json").write_text(content)
    assert chosen() == "bf16"


def test_a_cache_that_cannot_be_written_costs_only_time(machine, monkeypatch, tmp_path) -> None:
    machine(0.5)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert chosen() == "bf16"


def test_nothing_is_timed_where_there_is_nothing_to_choose(machine) -> None:
    timed = machine(0.1)
    assert chosen(precision="float32") == "no"
    assert chosen(precision="bfloat16") == "bf16"
    assert chosen(dtype="bfloat16") == "no"
    assert chosen(parameters=SMALL) == "no"
    assert timed == []


def test_the_timing_is_of_the_model_s_own_widths(monkeypatch) -> None:
    model = tiny.model()
    hidden, inner = widths_of(model)
    assert hidden == model.config.hidden_size
    assert inner == max(max(weight.shape) for weight in linear_weights(model))
    assert precision._time(hidden, inner, torch.float32) > 0
    assert precision._time(hidden, inner, torch.bfloat16) > 0


def test_the_processor_has_a_name() -> None:
    assert Path("/proc/cpuinfo").exists() is False or precision._processor()
