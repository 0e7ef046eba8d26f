"""Two small finished runs, one of each kind of reward, for the commands that use what was learned."""

from __future__ import annotations

from pathlib import Path

import pytest

from irltui.runs.folder import RunFolder
from support.runs import config, demonstrations, finish, rft
from support.tiny import folder


@pytest.fixture(scope="session")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("inputs")
    return folder(path / "model"), demonstrations(path / "demos.jsonl", 40)


@pytest.fixture(scope="session")
def implicit(tmp_path_factory: pytest.TempPathFactory, inputs: tuple[Path, Path]) -> RunFolder:
    change = {"optimizer": {"learning_rate": 5e-3}, "loop": {"outer_iterations": 1}}
    return finish(tmp_path_factory.mktemp("runs") / "irft", config(*inputs, change))


@pytest.fixture(scope="session")
def explicit(tmp_path_factory: pytest.TempPathFactory, inputs: tuple[Path, Path]) -> RunFolder:
    change = rft({"reward": {"bound": 2.0}, "loop": {"outer_iterations": 1}})
    return finish(tmp_path_factory.mktemp("runs") / "rft", config(*inputs, change))


@pytest.fixture(scope="session")
def supervised(tmp_path_factory: pytest.TempPathFactory, inputs: tuple[Path, Path]) -> RunFolder:
    """A run that learned no reward of its own."""
    change = {"algorithm": "sft", "optimizer": {"learning_rate": 5e-3}}
    return finish(tmp_path_factory.mktemp("runs") / "sft", config(*inputs, change))


@pytest.fixture(params=["implicit", "explicit"])
def run(request: pytest.FixtureRequest) -> RunFolder:
    return request.getfixturevalue(request.param)
