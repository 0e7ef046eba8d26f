"""`irltui run --seeds N`: a folder a seed, one after another, and on from where it was."""

from __future__ import annotations

import shutil
import time

from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest

GOOD = "start(); writer.status(now=True, state='finished'); end('finished', 0)"
ARGUMENTS = ("run", "irft", "--model", "m", "--data", "d", "--out", "five")


def test_every_seed_is_a_run_of_its_own_and_runs_lists_them_together(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    result = irltui(*ARGUMENTS, "--seeds", "3", "--seed", "4")
    assert result.code == 0, result.err
    seeds = {path.name: read_manifest(RunFolder(path)).config["seed"] for path in (tmp_path / "five").iterdir()}
    assert seeds == {"seed-4": 4, "seed-5": 5, "seed-6": 6}
    listed = irltui("runs", ".").out
    assert [name in listed for name in ("five/seed-4", "five/seed-5", "five/seed-6")] == [True] * 3
    assert "five/seed-5" in irltui("runs", "five").out


def test_the_same_command_goes_on_behind_a_seed_that_failed_and_adds_more(irltui, stand_in, tmp_path) -> None:
    stand_in("if run.path.name == 'seed-1': end('failed', 1, 'the disk', 'is full')\n" + GOOD)
    first = irltui(*ARGUMENTS, "--seeds", "3")
    assert first.code == 1
    assert "seed 1 is not finished" in first.err
    stand_in(GOOD)
    again = irltui(*ARGUMENTS, "--seeds", "4")
    assert again.code == 0, again.err
    assert "seed 0: finished already" in again.err
    assert again.err.count("finished already") == 1


def test_another_configuration_is_not_mixed_in(irltui, stand_in, tmp_path) -> None:
    stand_in(GOOD)
    irltui(*ARGUMENTS, "--seeds", "2")
    result = irltui(*ARGUMENTS, "--seeds", "3", "--set", "loop.batch=3")
    assert result.code == 1
    assert "was configured otherwise (loop)" in result.err


def test_seeds_do_not_go_with_resume(irltui, stand_in) -> None:
    result = irltui("run", "--resume", "five", "--seeds", "2")
    assert result.code == 2
    assert "the same command with --out goes on" in result.err.replace("\n", " ").replace("│", "")


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
