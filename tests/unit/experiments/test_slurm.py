"""`irltui run --submit KEY=VALUE`: a job a run, through submitit, to commands that only look like Slurm's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from irltui.errors import ConfigError
from irltui.experiments import slurm as slurm_module
from irltui.experiments.slurm import Job, read_job
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder
from irltui.runs.status import State
from irltui.runs.writer import RunWriter

RUN = ("run", "irft", "--model", "m", "--data", "d", "--out", "five", "--submit", "time=12:00:00")
FINE = ("--submit", "gpus_per_node=8", "--submit", "nodes=2", "--submit", "cpus_per_task=6")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Commands that keep what they are given: sbatch its script, squeue prints the file `queue`."""
    commands = tmp_path / "commands"
    commands.mkdir()
    (tmp_path / "queue").touch()
    kept = f'cp "$1" {tmp_path}/$(ls {tmp_path}/*.sbatch 2>/dev/null | wc -l).sbatch; echo Submitted batch job 41'
    for name, line in {"srun": "exit 1", "sbatch": kept, "squeue": f"cat {tmp_path}/queue"}.items():
        (commands / name).write_text(f"#!/bin/bash\n{line}\n")
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{commands}:{os.environ['PATH']}")
    return lambda: [path.read_text() for path in sorted(tmp_path.glob("*.sbatch"))]


def state_of(run: Path, state: State) -> None:
    with RunWriter(RunFolder(run)) as writer:
        writer.status(now=True, state=state)


def test_all_runs_are_one_job_array_that_saves_before_the_limit_and_can_be_put_back(irltui, slurm, tmp_path) -> None:
    result = irltui(*RUN, *FINE, "--seeds", "3", "--submit", "partition=gpu", "--submit", "at_once=2")
    assert result.code == 0, result.err
    assert [line.split() for line in result.out.splitlines()] == [
        ["seed", str(seed), "job", f"41_{seed}", f"five/seed-{seed}"] for seed in range(3)
    ]
    assert json.loads((tmp_path / "five/seed-2/job.json").read_text()) == {"cluster": "slurm", "id": "41_2"}
    (script,) = slurm()
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)
    wanted = {
        "--array=0-2%2",
        "--cpus-per-task=6",
        "--gpus-per-node=8",
        "--job-name=irltui-five",
        "--nodes=2",
        "--ntasks-per-node=8",
        "--open-mode=append",
        f"--output={tmp_path}/five/submitit/%A_%a_0_log.out",
        "--partition=gpu",
        "--requeue",
        "--signal=USR2@300",
        "--time=720",
        "--wckey=submitit",
    }
    assert {line.split()[1] for line in script.splitlines() if line.startswith("#SBATCH")} == wanted
    (command,) = (line for line in script.splitlines() if line.startswith("srun"))
    assert "--kill-on-bad-exit=0 --wait=60 --cpus-per-task=6" in command
    assert command.endswith(f"{sys.executable} -u -m submitit.core._submit {tmp_path}/five/submitit")


def test_the_same_command_submits_neither_what_is_finished_nor_what_waits_or_works(irltui, slurm, tmp_path) -> None:
    irltui(*RUN, "--seeds", "4")
    for seed, state in enumerate((State.FINISHED, State.PREEMPTED, State.FAILED, State.RUNNING)):
        state_of(tmp_path / f"five/seed-{seed}", state)
    (tmp_path / "queue").write_text("41_2\n7\n")
    result = irltui(*RUN, "--seeds", "5", "--json")
    host = os.uname().nodename
    assert [row["state"] for row in json.loads(result.out)] == [
        "finished",
        "job 41_0",  # a new array of two: what was preempted, and the new seed
        "job 41_2 already",
        f"running on {host}",
        "job 41_1",
    ]
    assert "--array=0-1%2" in slurm()[1]


def test_a_single_run_is_a_job_without_an_array(irltui, slurm, tmp_path) -> None:
    result = irltui(*RUN, "--submit", "gpus_per_node=0", "--submit", "exclusive=true")
    assert result.out.split() == ["five", "job", "41", "five"]
    (script,) = slurm()
    assert "--array" not in script
    assert "gpus" not in script
    assert "#SBATCH --exclusive\n" in script
    assert (tmp_path / "five").stat().st_mode & 0o777 == 0o700


def test_options_of_ours_may_be_written_with_hyphens_as_sbatch_has_them() -> None:
    job = read_job(["time=60", "gpus-per-node=8", "cpus-per-task=6", "at-once=2", "mail-user=me"])
    assert job == read_job(["time=60", "gpus_per_node=8", "cpus_per_task=6", "at_once=2", "mail-user=me"])
    assert (job.tasks, job.sbatch) == (8, {"mail-user": "me"})


def test_a_job_that_was_taken_and_cannot_be_noted_is_told_with_its_number(irltui, slurm, monkeypatch) -> None:
    def full(_path: Path, _value: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(slurm_module, "replace_json", full)
    result = irltui(*RUN)
    assert result.code == 1
    assert "five/job.json: cannot be written: [Errno 28] No space left on device; submitted: 41\n" in result.err


def test_what_sbatch_or_squeue_refuses_is_told(irltui, slurm, tmp_path) -> None:
    (tmp_path / "commands/sbatch").write_text("#!/bin/bash\necho sbatch: error: invalid partition >&2; exit 1\n")
    refused = irltui(*RUN)
    assert refused.code == 1
    assert "the job was rejected" in refused.err
    assert "invalid partition" in refused.err
    replace_json(tmp_path / "five/job.json", {"cluster": "slurm", "id": "7"})
    (tmp_path / "commands/squeue").write_text("#!/bin/bash\nexit 1\n")
    assert "cannot list pending jobs with squeue" in irltui(*RUN).err


def test_without_submitit_or_slurm_nothing_is_made_and_the_remedy_is_told(
    irltui, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "srun is not on the PATH" in irltui(*RUN).err
    monkeypatch.setitem(sys.modules, "submitit", None)
    result = irltui(*RUN)
    assert result.code == 1
    assert "pip install 'irltui[submitit]'" in result.err
    assert not (tmp_path / "five").exists()


def test_the_guide_has_every_option() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "guides" / "clusters.md").read_text(encoding="utf-8")
    assert [name for name in Job.model_fields if f"| `{name}` |" not in guide] == []


@pytest.mark.parametrize(
    ("time", "minutes"),
    [("90", 90), ("30:15", 31), ("12:00:00", 720), ("1-12", 2160), ("2-01:30", 2970), ("1-00:00:01", 1441)],
)
def test_limits_are_read_as_slurm_reads_them(time: str, minutes: int) -> None:
    assert Job(time=time).minutes == minutes


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["nodes=2"], "time: required"),
        (["time=soon"], "time: must be minutes, hours:minutes:seconds or days-hours (got 'soon')"),
        (["time=60", "nodes=none"], "nodes: must be a whole number (got 'none')"),
        (["time=60", "tasks_per_node=all"], "tasks_per_node: must be a whole number or 'auto' (got 'all')"),
        (["time=60", "cluster=pbs"], "cluster: must be one of 'slurm', 'local' (got 'pbs')"),
        (["time=60", "partition"], "partition: not KEY=VALUE"),
        (["time=60", "--qos=high"], "--qos=high: not KEY=VALUE"),
        (["time=60", "signal=TERM@60"], "signal=TERM@60: irltui sets this itself"),
    ],
)
def test_options_that_cannot_be_are_told_all_at_once(options: list[str], told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_job([*options, "requeues=-1"])
    assert f"--submit {told}" in refused.value.message
    assert "--submit requeues: " in refused.value.message


def test_the_time_in_which_to_save_must_fit_into_the_limit() -> None:
    with pytest.raises(ConfigError, match="grace: 300 s is not shorter than the limit of 5 min"):
        read_job(["time=5"])
