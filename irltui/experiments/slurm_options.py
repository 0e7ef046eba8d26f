"""`irltui run --submit KEY=VALUE`: what a job of the cluster is given. No part of a run's configuration.

A few options of ours; every other key is an option of sbatch, handed on as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from irltui.config.messages import expected, quoted
from irltui.config.schema import Auto, PositiveInt
from irltui.errors import ConfigError
from irltui.text import safe

_TIME = re.compile(r"(?:(\d+)-)?(\d+)(?::(\d+))?(?::(\d+))?")
_KEY = re.compile(r"[a-z][a-z0-9_-]*")
_OURS = {"signal", "array", "output", "error", "open-mode", "ntasks", "ntasks-per-node", "job-name", "requeue"}


class Job(BaseModel):
    """What every job is given; other keys go to sbatch."""

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
        """The limit."""
        found = _TIME.fullmatch(self.time)
        days, *parts = found.groups() if found else (None, "0")
        numbers = [int(part) for part in parts if part is not None]
        if days is None and len(numbers) < 3:
            numbers = [0, *numbers]  # Slurm reads minutes first, unless days or seconds are there
        hours, minutes, seconds = [*numbers, 0, 0][:3]
        return (int(days or 0) * 24 + hours) * 60 + minutes + (1 if seconds else 0)

    @property
    def tasks(self) -> int:
        """Processes on a node."""
        return max(1, self.gpus_per_node) if self.tasks_per_node == "auto" else self.tasks_per_node

    @property
    def sbatch(self) -> dict[str, str | bool]:
        """Options handed on, by their long names; true is one without a value."""
        given: dict[str, str] = self.model_extra or {}
        return {key.replace("_", "-"): True if value == "true" else value for key, value in given.items()}


def read_job(options: Sequence[str]) -> Job:
    """The job that `--submit` options describe.

    Raises:
        ConfigError: every problem at once.
    """
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
    """The name of an option of ours, which sbatch writes with hyphens: --gpus-per-node."""
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
        return [f"grace: {job.grace} s do not fit into a limit of {job.minutes} min"]
    return []


def _said(problems: list[Mapping[str, Any]]) -> str:
    match problems[0]["type"]:
        case "missing":
            return "required"
        case "string_pattern_mismatch":  # of time alone
            return f"must be minutes, hours:minutes:seconds or days-hours (got {quoted(problems[0]['input'])})"
    return expected(problems)


def _problem(option: str, key: str, equals: str) -> str:
    shown = safe(option, limit=120)
    if not equals or not _KEY.fullmatch(key):
        return f"{shown}: not KEY=VALUE"
    if key.replace("_", "-") in _OURS:
        return f"{shown}: irltui sets this itself"
    return ""
