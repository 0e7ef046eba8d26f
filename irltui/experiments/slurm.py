"""Run a plan as Slurm jobs through submitit: `irltui run --submit KEY=VALUE`.

Every run becomes a job of its own; what is finished or under way is left alone. squeue says what waits in the queue,
each run's own status what works. The job itself (`SubmittedRun`) is pickled here and runs where the cluster starts it:
it imports the engine there alone, so that submitting needs no torch.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from irltui.config.messages import described, quoted
from irltui.config.schema import Auto, PositiveInt
from irltui.distributed.launch import Signals
from irltui.errors import EXIT_OK, EXIT_PREEMPTED, ConfigError, SubmitError
from irltui.experiments.plan import Plan, PlannedRun
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder
from irltui.runs.status import WORKING, State, read_status
from irltui.text import safe

_SRUN = ["--kill-on-bad-exit=0", "--wait=60"]  # the ranks that are left say why one went
_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_KEY = re.compile(r"[a-z][a-z0-9_-]*")
_OURS = {"signal", "array", "output", "error", "open-mode", "ntasks", "ntasks-per-node", "job-name", "requeue"}


class Job(BaseModel):
    """Options of every job; unknown keys go to sbatch."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    time: str = Field(pattern=f"^{_TIME.pattern}$")
    """Limit, as Slurm writes it: minutes, hours:minutes:seconds or days-hours."""
    cluster: Literal["slurm", "local"] = "slurm"
    """slurm, or local: processes of this machine, all at once, to try it."""
    nodes: PositiveInt = 1
    """Nodes of a job."""
    gpus_per_node: Annotated[int, Field(ge=0)] = 1
    """GPUs on each; 0 asks for none."""
    tasks_per_node: PositiveInt | Auto = "auto"
    """Processes on each; auto is one a GPU."""
    cpus_per_task: PositiveInt | Auto = "auto"
    """Cores of a process; auto leaves it to the cluster."""
    grace: Annotated[int, Field(ge=30)] = 300
    """Seconds before the limit in which a checkpoint is saved."""
    requeues: Annotated[int, Field(ge=0)] = 20
    """How often a job that met its limit is put back; being preempted does not count."""
    at_once: PositiveInt = 1000
    """Jobs that run at the same time."""

    @property
    def minutes(self) -> int:
        found = _TIME.fullmatch(self.time)
        days, *parts = found.groups() if found else (None, "0")
        numbers = [int(part) for part in parts if part is not None]
        if days is None and len(numbers) < 3:
            numbers = [0, *numbers]  # Slurm reads minutes first, unless days or seconds are there
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return (int(days or 0) * 24 + hours) * 60 + minutes + (1 if seconds else 0)

    @property
    def tasks(self) -> int:
        return max(1, self.gpus_per_node) if self.tasks_per_node == "auto" else self.tasks_per_node

    @property
    def sbatch(self) -> dict[str, str | bool]:
        """Options for sbatch by their long names; true is an option without a value."""
        given: dict[str, str] = self.model_extra or {}
        return {key.replace("_", "-"): True if value == "true" else value for key, value in given.items()}


def read_job(options: Sequence[str]) -> Job:
    pairs = [(_own(key), equals, value) for key, equals, value in (option.partition("=") for option in options)]
    problems = [_problem(option, key, equals) for option, (key, equals, _) in zip(options, pairs, strict=True)]
    problems += _problems_of_values({key: value for key, _, value in pairs})
    if any(problems):
        raise ConfigError(
            "\n".join(f"--submit {problem}" for problem in problems if problem),
            "Such as --submit time=12:00:00 --submit gpus_per_node=8 --submit partition=gpu.",
        )
    return Job.model_validate({key: value for key, _, value in pairs})


def _own(key: str) -> str:
    """Our own options may be written with hyphens, as sbatch writes them: --gpus-per-node."""
    name = key.replace("-", "_")
    return name if name in Job.model_fields else key


def _problems_of_values(values: Mapping[str, str]) -> list[str]:
    try:
        job = Job.model_validate(values)
    except ValidationError as error:
        by_key: dict[str, list[Mapping[str, Any]]] = {}
        for problem in error.errors():
            by_key.setdefault(str(problem["loc"][0]), []).append(problem)
        return [f"{key}: {_said(problems)}" for key, problems in by_key.items()]
    if job.grace >= job.minutes * 60:
        return [f"grace: {job.grace} s is not shorter than the limit of {job.minutes} min"]
    return []


def _said(problems: list[Mapping[str, Any]]) -> str:
    if problems[0]["type"] == "string_pattern_mismatch":  # of time alone
        return f"must be minutes, hours:minutes:seconds or days-hours (got {quoted(problems[0]['input'])})"
    return described(problems)


def _problem(option: str, key: str, equals: str) -> str:
    shown = safe(option, limit=120)
    if not equals or not _KEY.fullmatch(key):
        return f"{shown}: not KEY=VALUE"
    if key.replace("_", "-") in _OURS:
        return f"{shown}: irltui sets this itself"
    return ""


# -- the job -----------------------------------------------------------------------------


@dataclass(frozen=True)
class SubmittedRun:
    """A run that is there, to be started or continued.

    submitit's own signal comes before the time limit: checkpoint, exit code 75, and submitit puts the job back.
    SIGTERM may be a cancellation or a preemption, which Slurm itself puts back: it saves a checkpoint and goes on until
    the job is killed.
    """

    run: Path

    def __call__(self) -> None:
        """Work until the run ends.

        Raises:
            RuntimeError: it failed; submitit then lets the job fail.
        """
        from submitit import JobEnvironment
        from submitit.helpers import TorchDistributedEnvironment

        from irltui.engine.__main__ import main

        limit = getattr(signal, f"SIG{os.environ.get('SUBMITIT_PREEMPT_SIGNAL', 'USR2')}")
        put_back: Any = signal.getsignal(limit)  # submitit's: pickles this anew, has the job queued again and exits
        if JobEnvironment().num_tasks > 1:
            TorchDistributedEnvironment().export(set_cuda_visible_devices=False, overwrite=True)
        save = tuple({signal.SIGTERM, signal.SIGUSR1} - {limit})
        code = main([str(self.run)], Signals(leave=(limit,), save=save), keeps_console=True)
        if code == EXIT_PREEMPTED:
            put_back(limit, None)
        elif code != EXIT_OK:
            raise RuntimeError(f"{self.run}: the engine ended with exit code {code}; see `irltui show`")

    def checkpoint(self) -> Any:
        """Called by submitit before it requeues the job: start the same again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


# -- submitting ---------------------------------------------------------------------------


def submit(plan: Plan, job: Job, executors: Any) -> list[tuple[PlannedRun, str]]:
    """Submit runs that are neither finished nor under way; returns the state of each, in the plan's order."""
    under_way = _under_way(plan)
    to_do = [run for run in plan.runs if run not in under_way]
    ids: list[str] = []
    if to_do:
        os.environ["PYTHONSAFEPATH"] = (
            "1"  # submitit starts `python -m`: files of the current folder are data, not code
        )
        executor = executors(plan.folder.absolute() / "submitit", max_num_timeout=job.requeues)
        ids = _submit(executor, _parameters(job, plan.folder.name), [plan.run_folder(run) for run in to_do])
    _remember(job.cluster, {number: plan.run_folder(run) for number, run in zip(ids, to_do, strict=True)})
    told = {**under_way, **{run: f"job {number}" for run, number in zip(to_do, ids, strict=True)}}
    return [(run, told[run]) for run in plan.runs]


def _remember(cluster: str, runs: Mapping[str, RunFolder]) -> None:
    """Note each run's job in its folder, so that none is submitted twice."""
    for number, run in runs.items():
        try:
            replace_json(run.job, {"cluster": cluster, "id": number})
        except OSError as error:
            raise SubmitError(
                f"{safe(run.job)}: cannot be written: {safe(error)}; submitted: {', '.join(runs)}",
                "The jobs will run. Do not submit these runs again before the jobs have ended.",
            ) from error


def executors_of(job: Job) -> Any:
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
    given: dict[str, Any] = {"nodes": job.nodes, "signal_delay_s": job.grace, "stderr_to_stdout": True}
    if job.cluster == "local":
        return {**given, "timeout_min": job.minutes, "gpus_per_node": job.gpus_per_node, "tasks_per_node": job.tasks}
    if job.gpus_per_node:
        given["gpus_per_node"] = job.gpus_per_node
    srun = _SRUN
    if job.cpus_per_task != "auto":
        given["cpus_per_task"] = job.cpus_per_task
        srun = [*srun, f"--cpus-per-task={job.cpus_per_task}"]  # since Slurm 22.05 srun does not take it from sbatch
    return {
        "job_name": f"irltui-{name}",
        "time": job.minutes,
        "ntasks_per_node": job.tasks,
        "array_parallelism": job.at_once,
        "srun_args": srun,
        "additional_parameters": {"requeue": True, **job.sbatch},
        **given,
    }


def _submit(executor: Any, parameters: dict[str, Any], runs: Sequence[RunFolder]) -> list[str]:
    """Submit one job array; returns the ids in the order given."""
    try:
        executor.update_parameters(**parameters)
        jobs = executor.submit_array([SubmittedRun(run.path.absolute()) for run in runs])
    except (ValueError, RuntimeError, OSError) as error:
        reason = (str(error).strip() or repr(error)).splitlines()[-1]
        raise SubmitError(
            f"--submit: the job was rejected: {safe(reason)}", "The run folders exist; fix the problem and try again."
        ) from error
    return [str(job.job_id) for job in jobs]


def _under_way(plan: Plan) -> dict[PlannedRun, str]:
    """Runs that must not be submitted, with the reason."""
    jobs = {run: _last_job(plan.run_folder(run)) for run in plan.runs}
    queued = _queue() if any(cluster == "slurm" for cluster, _ in jobs.values()) else set[str]()
    found: dict[PlannedRun, str] = {}
    for run, (cluster, number) in jobs.items():
        status = read_status(plan.run_folder(run))
        if status.state is State.FINISHED:
            found[run] = "finished"
        elif number in queued if cluster == "slurm" else _lives(number):
            found[run] = f"job {number} already"
        elif plan.run_folder(run).status.exists() and status.state in WORKING:
            found[run] = f"{status.state} on {safe(status.host)}"
    return found


def _last_job(run: RunFolder) -> tuple[str, str]:
    """Cluster and id of the run's last job, empty if it had none."""
    try:
        job = json.loads(run.job.read_text(encoding="utf-8"))
        return str(job["cluster"]), str(job["id"])
    except (OSError, ValueError, KeyError, TypeError):
        return "", ""


def _queue() -> set[str]:
    """Ids of all jobs of this user that are pending or running."""
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
            f"--submit: cannot list pending jobs with squeue: {safe(error)}", "Nothing was submitted; try again."
        ) from error
    return set(asked.stdout.split())


def _lives(number: str) -> bool:
    """Whether a job of `cluster=local`, whose id is a process id, is running."""
    try:
        return "submitit.local._local" in psutil.Process(int(number)).cmdline()
    except (ValueError, psutil.Error):
        return False
