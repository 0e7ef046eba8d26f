"""A plugin from outside: a distribution written from docs/ alone, in a fresh environment, from its own tests to a
run that is killed, continued and looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest
from dashboard.conftest import settle, text_of

from irltui.dashboard.app import Dashboard
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.reader import read_events
from support.compare import assert_same
from support.fresh import Fresh

HERE = Path(__file__).parent / "outside" / "irltui-harbour"
KINDS = {("reward", "harbour/words"), ("sampler", "harbour/cached"), ("benchmark", "harbour/manners")}


def kill_behind(fresh: Fresh, folder: Path, arguments: list[str], run: RunFolder, step: int) -> None:
    """Start or continue a run and kill its engine once it has taken `step` optimizer steps."""
    command = fresh.start(*arguments, cwd=folder)
    try:
        known = read_events(run.events)[-1].seq if run.events.exists() else -1
        for _ in range(3_000):
            found = [e for e in read_events(run.events) if e.seq > known] if run.events.exists() else []
            started = [e.pid for e in found if e.kind == Kind.RUN_START]
            if started and any(e.step >= step for e in found if e.kind == Kind.METRICS):
                os.kill(started[-1], signal.SIGKILL)
                return
            assert command.poll() is None, found[-1:]
            time.sleep(0.02)
        raise AssertionError("the run does not get on")
    finally:
        with contextlib.suppress(Exception):
            command.wait(30)
        command.kill()


@pytest.mark.slow
def test_a_plugin_written_from_the_documentation_is_installed_run_killed_continued_and_shown(tmp_path: Path) -> None:
    fresh = Fresh(tmp_path / "fresh")
    shutil.copytree(HERE, tmp_path / "irltui-harbour")
    install = "pip install -q --no-deps --no-build-isolation ./irltui-harbour"
    said = fresh.shell(f"{install} && python -m pytest -q irltui-harbour/tests", cwd=tmp_path)
    assert said.returncode == 0, said.stdout + said.stderr
    shutil.move(tmp_path / "irltui-harbour" / "run.toml", tmp_path / "run.toml")
    shutil.rmtree(tmp_path / "irltui-harbour")  # what is installed must be enough

    def irltui(arguments: str) -> str:
        done = fresh.shell(f"irltui {arguments}", cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    rows = {row["plugin"]: row for row in json.loads(irltui("plugins list --load --json"))}
    harbour = rows["harbour"]
    assert (harbour["origin"], harbour["version"], harbour["state"]) == ("irltui-harbour", "1.2.0", "loads")
    assert {(kind["component"], kind["kind"]) for kind in harbour["kinds"]} == KINDS
    assert "of 3 kinds, 0 failed" in irltui("plugins check harbour")
    shown = irltui("config show run.toml")
    assert "largest = 0.5" in shown
    assert "beta = 0.1" in shown  # its default

    irltui("run run.toml --out whole --headless")
    whole, run = RunFolder(tmp_path / "whole"), RunFolder(tmp_path / "runs" / "killed")
    kill_behind(fresh, tmp_path, ["run", "run.toml", "--out", "runs/killed", "--headless"], run, 3)
    kill_behind(fresh, tmp_path, ["run", "--resume", "runs/killed", "--headless"], run, 8)
    irltui("run --resume runs/killed --headless")
    assert len([event for event in read_events(run.events) if event.kind == Kind.RUN_START]) == 3
    assert_same(run, whole)

    told = json.loads(irltui("show runs/killed --json"))
    assert told["state"] == "finished"
    assert json.loads(run.manifest.read_text())["config"]["reward"] == {
        "kind": "harbour/words",
        "beta": 0.1,
        "largest": 0.5,
    }
    assert [(one["benchmark"], one["metric"]) for one in told["evaluations"]] == [
        ("manners", "words"),
        ("manners", "good"),
    ]
    assert "manners: good" in irltui("show runs/killed")
    asyncio.run(look_at(tmp_path / "runs"))


async def look_at(runs: Path) -> None:
    """The run on the dashboard: its charts, what it was configured with, what its benchmark says."""
    app = Dashboard(runs, runs / "killed")
    async with app.run_test(size=(140, 45)) as pilot:
        await settle(pilot)
        assert "finished" in text_of(app)
        assert "Policy reward" in text_of(app)
        for keys, words in (("5",), "sampler.kind = harbour/cached"), (("1", "space", "4"), "manners: good"):
            await pilot.press(*keys)
            await settle(pilot)
            assert words in text_of(app)
