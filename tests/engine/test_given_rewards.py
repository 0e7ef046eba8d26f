"""Runs whose reward is given: a user's function, or likeness to the demonstrations."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

import pytest

from irltui.errors import EXIT_FAILED
from irltui.runs.events import Kind
from support.runs import config, demonstrations, events, finish, prepare, rft, work
from support.tiny import folder

pytestmark = pytest.mark.usefixtures("trust_code")


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 16)


def with_function(inputs: tuple[Path, Path], file: Path, source: str, **more: Any) -> dict[str, Any]:
    file.write_text(source)
    change = {"reward": {"kind": "function", "file": str(file), "beta": 0.01}, "evaluation": {"samples": 1}, **more}
    return config(*inputs, rft(change))


def test_the_policy_follows_the_function(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    source = "def reward(completion_ids):\n    return [-len(ids) / 8 for ids in completion_ids]\n"
    steps = {"update": {"steps": 12, "generations": 8}, "optimizer": {"learning_rate": 1e-2}}
    run = finish(tmp_path / "run", with_function(inputs, tmp_path / "brief.py", source, **steps))
    rewards = [e.values["policy/reward"] for e in events(run, Kind.METRICS) if "policy/reward" in e.values]
    assert len(rewards) == 24
    assert mean(rewards[-4:]) > mean(rewards[:4]) + 0.2


def test_a_function_sees_the_columns_of_prompts_without_demonstrations(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    rows = [{"prompt": f"{word}?", "level": 7} for word in ("apple", "river", "stone")]
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    seen = tmp_path / "seen"
    source = (
        "def reward(demonstrations, level=(), **columns):\n"
        f"    open({str(seen)!r}, 'a').write(repr((demonstrations, list(level))) + '\\n')\n"
        "    return [0.0] * len(demonstrations)\n"
    )
    more = {"data": {"prompts": str(tmp_path / "more.jsonl")}, "loop": {"outer_iterations": 1}}
    finish(tmp_path / "run", with_function(inputs, tmp_path / "looks.py", source, **more))
    pairs = [pair for line in seen.read_text().splitlines() for pair in zip(*eval(line), strict=False)]
    assert (None, 7) in pairs
    assert all((text is None) == (level == 7) for text, level in pairs)


def test_a_function_that_raises_ends_the_run_with_its_place_and_a_traceback(
    tmp_path: Path, inputs: tuple[Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    source = "def reward(completions):\n    return [1 / 0]\n"
    run = prepare(tmp_path / "run", with_function(inputs, tmp_path / "bad.py", source))
    assert work(run) == EXIT_FAILED
    (end,) = events(run, Kind.RUN_END)
    assert end.reason == f"{tmp_path}/bad.py:2: reward() raised ZeroDivisionError: division by zero"
    assert "return [1 / 0]" in capfd.readouterr().err


def test_a_function_that_hangs_is_interrupted(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    source = "def reward(completions):\n    while True: pass\n"
    more = {"plugins": {"time_limit": 0.5}}
    run = prepare(tmp_path / "run", with_function(inputs, tmp_path / "slow.py", source, **more))
    assert work(run) == EXIT_FAILED
    (end,) = events(run, Kind.RUN_END)
    assert "reward 'function': score did not return within 0.5 s; it was at slow.py:2" in end.reason
