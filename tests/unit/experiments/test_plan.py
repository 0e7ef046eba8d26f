"""`irltui run --seeds N --grid KEY=A,B`: a folder a run, one after another, and on from where it was."""

from __future__ import annotations

import shutil
import time

import pytest

from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest

GOOD = "start(); writer.status(now=True, state='finished'); end('finished', 0)"
ARGUMENTS = ("run", "irft", "--model", "m", "--data", "d", "--out", "five")


def test_every_seed_is_a_run_of_its_own_and_runs_lists_them_together(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    result = irltui(*ARGUMENTS, "--seeds", "3", "--seed", "4")
    assert result.code == 0, result.err
    seeds = {path.name: read_manifest(RunFolder(path)).config["seed"] for path in (tmp_path / "five").glob("seed-*")}
    assert seeds == {"seed-4": 4, "seed-5": 5, "seed-6": 6}
    listed = irltui("runs", ".").out
    assert [name in listed for name in ("five/seed-4", "five/seed-5", "five/seed-6")] == [True] * 3
    assert "five/seed-5" in irltui("runs", "five").out


def test_the_same_command_goes_on_behind_a_seed_that_failed_and_adds_more(irltui, stand_in, tmp_path) -> None:
    stand_in("if run.path.name == 'seed-1': end('failed', 1, 'the disk', 'is full')\n" + GOOD)
    first = irltui(*ARGUMENTS, "--seeds", "3")
    assert first.code == 1
    assert "not finished: seed 1: failed\n`irltui run --resume five` continues" in first.err
    stand_in(GOOD)
    again = irltui(*ARGUMENTS, "--seeds", "4")
    assert again.code == 0, again.err
    assert "seed 0: already finished" in again.err
    assert again.err.count("already finished") == 2  # seeds 0 and 2: one that fails does not stop the others


def test_another_configuration_is_not_mixed_in(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    irltui(*ARGUMENTS, "--seeds", "2")
    result = irltui(*ARGUMENTS, "--seeds", "3", "--set", "loop.batch=3")
    assert result.code == 1
    assert "has another configuration (loop)" in result.err


def test_seeds_do_not_go_with_resume(irltui, stand_in) -> None:
    result = irltui("run", "--resume", "five", "--seeds", "2")
    assert result.code == 2
    assert "repeat the command with --out to continue" in " ".join(result.err.replace("│", "").split())


GRID = ("--grid", "optimizer.learning_rate=1e-6,2e-6", "--grid", "loop.batch=4, 8")


def test_every_point_of_a_grid_is_a_run_of_its_own(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    result = irltui(*ARGUMENTS, *GRID)
    assert result.code == 0, result.err
    assert "4 runs are finished: irltui compare five" in result.err
    found = {}
    for path in (tmp_path / "five").glob("*/"):
        config = read_manifest(RunFolder(path)).config
        found[path.name] = (config["optimizer"]["learning_rate"], config["loop"]["batch"])
    assert found == {
        f"optimizer.learning_rate={rate},loop.batch={batch}": (float(rate), batch)
        for rate in ("1e-6", "2e-6")
        for batch in (4, 8)
    }
    assert irltui(*ARGUMENTS, *GRID).err.count("already finished") == 4


def test_every_point_is_run_from_every_seed(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    result = irltui(*ARGUMENTS, "--grid", "loop.batch=4,8", "--seeds", "2")
    assert result.code == 0, result.err
    assert "loop.batch=8, seed 1: started, five/loop.batch=8/seed-1" in result.err.replace("\n", "")
    found = sorted(str(path.parent.relative_to(tmp_path / "five")) for path in tmp_path.glob("five/*/*/run.json"))
    assert found == [f"loop.batch={batch}/seed-{seed}" for batch in (4, 8) for seed in (0, 1)]


@pytest.mark.parametrize(
    ("grid", "told"),
    [
        (["loop.batch"], "not KEY=A,B"),
        (["loop.batch=4,,8"], "not KEY=A,B"),
        (["=4"], "not KEY=A,B"),
        (["loop.batch=4,4"], "two runs would share"),
        (["loop.batch=4,many"], "loop.batch"),
        (["loop.bath=4"], "loop.bath"),
    ],
)
def test_a_grid_that_cannot_be_is_refused_before_anything_is_made(irltui, stand_in, tmp_path, grid, told) -> None:
    stand_in(GOOD)
    result = irltui(*ARGUMENTS, *(part for given in grid for part in ("--grid", given)))
    assert result.code == 2
    assert told in result.err
    assert not (tmp_path / "five").exists()


def test_a_thousand_runs_are_listed_within_two_seconds(irltui, make_run, tmp_path) -> None:
    first = make_run("r0").path
    for number in range(1, 1_000):
        folder = tmp_path / f"r{number}"
        folder.mkdir()
        for name in ("run.json", "status.json"):
            shutil.copy(first / name, folder / name)
    began = time.monotonic()
    assert irltui("runs", ".").out.count("\n") == 1_001
    assert time.monotonic() - began < 2
