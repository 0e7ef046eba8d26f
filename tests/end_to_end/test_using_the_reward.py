"""score, sample and triage as a user runs them: the command line, its working process, real small runs."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.runs import config, demonstrations, finish, prepare, rft
from support.tiny import folder

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1", "COLUMNS": "100"}


def irltui(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "irltui", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env=ENVIRONMENT,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with demonstrations, an irft run, an rft run, an sft run, and one that has not begun."""
    path = tmp_path_factory.mktemp("place")
    inputs = folder(path / "model"), demonstrations(path / "demos.jsonl", 40)
    loop = {"loop": {"outer_iterations": 1}, "evaluation": {"samples": 0, "before_training": False}}
    finish(path / "irft", config(*inputs, loop))
    finish(path / "rft", config(*inputs, rft(loop)))
    finish(path / "sft", config(*inputs, {"algorithm": "sft", **loop}))
    prepare(path / "begun", config(*inputs, loop))
    return path


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_from_a_run_to_best_answers_scores_and_doubtful_rows(place: Path, tmp_path: Path) -> None:
    sampled = irltui("sample", "rft", "--prompts", "demos.jsonl", "--best-of", "3", "--out", tmp_path / "best.jsonl",
                     "--set", "data.limit=6", cwd=place)  # fmt: skip
    assert sampled.returncode == 0, sampled.stderr
    assert "6 of 6 prompts answered, best of 3" in sampled.stdout
    assert len(lines(tmp_path / "best.jsonl")) == 6
    scored = irltui("score", "rft", "--data", "demos.jsonl", "--rank", cwd=place)
    assert scored.returncode == 0, scored.stderr
    assert "40 of 40 rows scored" in scored.stdout
    ranked = lines(place / "rft" / "applied" / "score-demos.jsonl")
    assert [line["rank"] for line in ranked] == list(range(1, 41))
    triaged = irltui("triage", "irft", "--limit", "3", cwd=place)
    assert triaged.returncode == 0, triaged.stderr
    assert "(37 more)" in triaged.stdout
    assert "among the lowest" in triaged.stdout
    about = json.loads(irltui("score", "rft", "--data", "demos.jsonl", "--rank", "--json", cwd=place).stdout)
    assert about["summary"]["scored"] == 40
    assert about["out"].endswith("score-demos.jsonl")
    again = irltui("triage", "irft", "--limit", "0", "--json", cwd=place)
    assert len(json.loads(again.stdout)) == 40
    assert again.stderr == ""  # complete already


@pytest.mark.slow
def test_a_killed_command_given_again_ends_in_the_same_file(place: Path, tmp_path: Path) -> None:
    arguments = ("sample", "irft", "--prompts", "demos.jsonl", "--best-of", "8")
    assert irltui(*arguments, "--out", tmp_path / "whole", cwd=place).returncode == 0
    command = [sys.executable, "-m", "irltui", *arguments, "--out", str(tmp_path / "f")]
    with subprocess.Popen(
        command, cwd=place, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, process_group=0
    ) as process:
        partial = tmp_path / "f.partial"
        until = time.monotonic() + 60
        while not (partial.exists() and partial.read_bytes().count(b"\n") > 5) and time.monotonic() < until:
            time.sleep(0.005)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (tmp_path / "f").exists()
    again = irltui(*arguments, "--out", tmp_path / "f", cwd=place)
    assert again.returncode == 0, again.stderr
    assert "continuing from prompt" in again.stderr
    assert (tmp_path / "f").read_bytes() == (tmp_path / "whole").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("triage", "sft", "--keep", "demos.jsonl"), 1, "--keep demos.jsonl: already exists"),
        (("sample", "sft", "--prompts", "demos.jsonl", "--strength", "-1"), 2, "or equal to 0"),
        (("score", "begun", "--data", "demos.jsonl"), 1, "no result yet"),
        (("score", "nowhere", "--data", "demos.jsonl"), 3, "no run here"),
        (("score", "rft", "--data", "demo.jsonl"), 2, "Did you mean demos.jsonl?"),
        (("score", "rft", "--data", "demos.jsonl", "--set", "data.columns.prompt=ask"), 2, 'column "ask" not found'),
        (("score", "rft", "--data", "demos.jsonl", "--set", "loop.batch=8"), 2, "fixed by the run"),
        (("score", "rft", "--data", "demos.jsonl", "--set", "data.limit=none"), 2, "data.limit"),
        (("score", "rft", "--data", "demos.jsonl", "--out", "demos.jsonl"), 1, "irltui did not write it"),
        (("sample", "rft", "--prompts", "demos.jsonl", "--best-of", "0"), 2, "--best-of"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_bad_input_is_one_clear_error(place: Path, arguments: tuple[str, ...], code: int, message: str) -> None:
    done = irltui(*arguments, cwd=place)
    assert done.returncode == code, done.stderr
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert (place / "demos.jsonl").read_text().count("\n") == 40


def test_what_a_model_or_file_says_cannot_steer_the_terminal(place: Path, tmp_path: Path) -> None:
    rows = [{"prompt": "the cat\x1b[2J?", "completion": "a dog\u202e \x1b]52;c;aGk=\x07"}]
    (tmp_path / "d.jsonl").write_text(json.dumps(rows[0]) + "\n")
    done = irltui("score", "rft", "--data", tmp_path / "d.jsonl", "--out", tmp_path / "f", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert "\u202e" not in done.stdout
