"""docs/guides/irltui.sbatch, the file that the guide shows, run by bash with commands that only look like Slurm's."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
FILE = GUIDES / "irltui.sbatch"
COMMANDS = {
    # A step that saves when it is told to terminate; as long as nobody tells it, it works.
    "srun": 'trap "exit 75" TERM\necho "$@" > asked\necho $$ > step\n[ -e code ] && exit $(cat code)\n'
    "while :; do sleep 0.05; done",
    "scancel": 'echo "$@" > cancelled\nkill -TERM $(cat step)',
    "scontrol": 'echo "$@" > requeued',
}


@pytest.fixture
def start(tmp_path: Path) -> Callable[[], subprocess.Popen[bytes]]:
    """Start the file as a batch job, in a folder of its own."""
    (tmp_path / "bin").mkdir()
    for name, text in COMMANDS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/bash\n{text}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    own = {"SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "8", "SCRATCH": str(tmp_path)}
    environment = {**os.environ, **own, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    return lambda: subprocess.Popen(["bash", str(FILE)], cwd=tmp_path, env=environment)


def test_the_guide_shows_the_file() -> None:
    assert FILE.read_text(encoding="utf-8") in (GUIDES / "clusters.md").read_text(encoding="utf-8")


def test_before_the_limit_the_tasks_save_and_the_job_is_put_back(
    start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    (tmp_path / "runs" / "first").mkdir(parents=True)
    (tmp_path / "runs" / "first" / "run.json").touch()
    job = start()
    until = time.monotonic() + 30
    while not (tmp_path / "step").exists() or not (tmp_path / "step").read_text():
        assert time.monotonic() < until
        time.sleep(0.02)  # between two looks at a file
    job.send_signal(signal.SIGUSR1)
    assert job.wait(30) == 75
    assert (tmp_path / "cancelled").read_text() == "--signal=TERM 7\n"
    assert (tmp_path / "requeued").read_text() == "requeue 7\n"
    assert f"irltui run --resume {tmp_path}/runs/first --headless" in (tmp_path / "asked").read_text()


@pytest.mark.parametrize("code", [0, 1])
def test_a_job_that_ends_by_itself_ends_with_the_codes_of_its_tasks_and_is_not_put_back(
    start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path, code: int
) -> None:
    (tmp_path / "code").write_text(str(code))
    assert start().wait(30) == code
    assert not (tmp_path / "requeued").exists()
    assert f"irltui run irft --model M --data D --out {tmp_path}/runs/first" in (tmp_path / "asked").read_text()
