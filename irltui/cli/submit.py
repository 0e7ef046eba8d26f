"""`irltui run --submit KEY=VALUE`: every run as a job of its own, through submitit, and what is under way left alone.

Knows what waits in the queue by asking squeue, what works by the run's own status. Watching is another command.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from irltui.cli.seeds import Variants, load_all, make_all
from irltui.console import columns, out, out_json, talk
from irltui.errors import EXIT_OK, SubmitError
from irltui.experiments.slurm_job import SubmittedRun
from irltui.experiments.slurm_options import Job, read_job
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder
from irltui.runs.status import ENDED, State, read_status
from irltui.text import safe

_SRUN = ["--kill-on-bad-exit=0", "--wait=60"]  # the ranks that are left say why one went


def submit_each(wanted: Variants, group: Path, options: Sequence[str], *, as_json: bool) -> int:
    """Make all run folders, submit what neither is finished nor under way, and list all; the exit code.

    Raises:
        ConfigError: a configuration or an option has problems.
        RunFolderError: a run that is there was configured otherwise, or a folder cannot be made.
        SubmitError: nothing can be submitted here.
    """
    job = read_job(options)
    loaded = load_all(wanted)
    executors = _executors(job)
    runs = make_all(wanted, loaded)
    under_way = _under_way(runs)
    to_do = {label: run for label, run in runs.items() if label not in under_way}
    ids: list[str] = []
    if to_do:
        executor = executors(group.absolute() / "submitit", max_num_timeout=job.requeues)
        ids = _submit(executor, _parameters(job, group.name), list(to_do.values()))
    _remember(job.cluster, dict(zip(ids, to_do.values(), strict=True)))
    told = {**under_way, **{label: f"job {number}" for label, number in zip(to_do, ids, strict=True)}}
    rows = [[label or safe(run.path.name), told[label], safe(run.path)] for label, run in runs.items()]
    if as_json:
        out_json([dict(zip(("name", "state", "run"), row, strict=True)) for row in rows])
    else:
        out(columns(rows))
    talk(f"{len(ids)} of {len(runs)} submitted; look with `irltui runs {safe(group)}` and `irltui watch RUN`")
    return EXIT_OK


def _remember(cluster: str, runs: Mapping[str, RunFolder]) -> None:
    """Note each run's job in its folder, so that none is submitted twice.

    Raises:
        SubmitError: it cannot be noted; the jobs are there.
    """
    for number, run in runs.items():
        try:
            replace_json(run.job, {"cluster": cluster, "id": number})
        except OSError as error:
            raise SubmitError(
                f"{safe(run.job)}: cannot be written: {safe(error)}; submitted: {', '.join(runs)}",
                "These jobs will run. Submit no more of these runs before they have ended: it would not see them.",
            ) from error


def _executors(job: Job) -> Any:
    """The class of submitit for the cluster.

    Raises:
        SubmitError: there is no submitit, or no Slurm.
    """
    try:
        import submitit
    except ImportError:
        raise SubmitError("--submit needs submitit, which is not installed", "pip install 'irltui[submitit]'") from None
    if job.cluster == "local":
        return submitit.LocalExecutor
    if submitit.SlurmExecutor.affinity() <= 0:
        raise SubmitError(
            "--submit: there is no Slurm here: srun is not on the PATH",
            "Submit from a login node; --submit cluster=local tries it with processes of this machine.",
        )
    return submitit.SlurmExecutor


def _parameters(job: Job, name: str) -> dict[str, Any]:
    """What the executor is told, in its own words."""
    if job.cluster == "local":
        return {
            "timeout_min": job.minutes,
            "signal_delay_s": job.grace,
            "stderr_to_stdout": True,
            "nodes": job.nodes,
            "gpus_per_node": job.gpus_per_node,
            "tasks_per_node": job.tasks,
        }
    given: dict[str, Any] = {"gpus_per_node": job.gpus_per_node} if job.gpus_per_node else {}
    srun = _SRUN
    if job.cpus_per_task != "auto":
        given["cpus_per_task"] = job.cpus_per_task
        srun = [*srun, f"--cpus-per-task={job.cpus_per_task}"]  # since Slurm 22.05 srun does not take it from sbatch
    return {
        "job_name": f"irltui-{name}",
        "time": job.minutes,
        "nodes": job.nodes,
        "ntasks_per_node": job.tasks,
        "signal_delay_s": job.grace,
        "array_parallelism": job.at_once,
        "stderr_to_stdout": True,
        "srun_args": srun,
        "additional_parameters": {"requeue": True, **job.sbatch},
        **given,
    }


def _submit(executor: Any, parameters: dict[str, Any], runs: Sequence[RunFolder]) -> list[str]:
    """One job array, or one job; the ids in the order given."""
    try:
        executor.update_parameters(**parameters)
        jobs = executor.submit_array([SubmittedRun(run.path.absolute()) for run in runs])
    except (ValueError, RuntimeError, OSError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[-1]
        raise SubmitError(f"--submit: no job was taken: {safe(reason)}", "The folders are made: try again.") from error
    return [str(job.job_id) for job in jobs]


# -- what is under way ---------------------------------------------------------------------------


def _under_way(runs: Mapping[str, RunFolder]) -> dict[str, str]:
    """What must not be submitted, and why."""
    jobs = {label: _last_job(run) for label, run in runs.items()}
    waiting = _queue() if any(cluster == "slurm" for cluster, _ in jobs.values()) else set[str]()
    found: dict[str, str] = {}
    for label, run in runs.items():
        cluster, number = jobs[label]
        status = read_status(run)
        if status.state is State.FINISHED:
            found[label] = "finished"
        elif number in waiting if cluster == "slurm" else _lives(number):
            found[label] = f"job {number} already"
        elif run.status.exists() and status.state not in {*ENDED, State.CRASHED}:
            found[label] = f"{status.state} on {safe(status.host)}"
    return found


def _last_job(run: RunFolder) -> tuple[str, str]:
    """Cluster and id of the job that was made of a run last, empty if there was none."""
    try:
        job = json.loads(run.job.read_text(encoding="utf-8"))
        return str(job["cluster"]), str(job["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""


def _queue() -> set[str]:
    """All of this user's jobs that wait or run."""
    try:
        asked = subprocess.run(
            ["squeue", "--me", "--noheader", "--array", "--format=%i"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise SubmitError(
            f"--submit: squeue does not tell which jobs wait: {safe(error)}", "Nothing was submitted; try again."
        ) from error
    return set(asked.stdout.split())


def _lives(number: str) -> bool:
    """Whether a job of `cluster=local` works: its number is that of a process."""
    try:
        return "submitit.local._local" in psutil.Process(int(number)).cmdline()
    except (ValueError, psutil.Error):
        return False
