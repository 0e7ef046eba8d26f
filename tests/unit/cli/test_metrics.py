"""`irltui metrics` for scripts."""

from __future__ import annotations

import json

import pytest
from dashboard.written_events import Script
from dashboard.written_run import write_run
from typer.testing import CliRunner

from irltui.cli.main import app


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_run(tmp_path_factory.mktemp("runs") / "run", Script(outer_iterations=2, inner_steps=4)).path)


def printed(*arguments: str) -> str:
    return CliRunner().invoke(app, ["metrics", *arguments], catch_exceptions=False).output


def test_one_metric_is_printed_with_every_point(run: str) -> None:
    found = json.loads(printed(run, "--name", "reward/gap", "--name", "gold/quality", "--json"))
    assert list(found) == ["reward/gap", "gold/quality"]
    assert found["reward/gap"]["step"] == list(range(1, 9))
    assert len(found["gold/quality"]["step"]) == len(found["gold/quality"]["value"])
    lines = printed(run, "--name", "reward/gap").splitlines()
    assert lines[-1].split("\t") == ["reward/gap", "8", str(found["reward/gap"]["value"][-1])]


def test_without_a_name_every_metric_is_listed(run: str) -> None:
    text = printed(run)
    assert text.splitlines()[0].split() == ["metric", "points", "first", "last"]
    assert "heldout/nll" in text


def test_an_unknown_metric_is_named_beside_those_there_are(run: str) -> None:
    done = CliRunner().invoke(app, ["metrics", run, "--name", "reward/gapp"])
    assert "--name reward/gapp: the run has no such metric" in str(done.exception)
