"""How this process was started: alone, or as a rank by accelerate, torchrun or srun.

Reads only the environment; `complete_environment` translates srun's variables into torchrun's.
"""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass

from irltui.errors import ConfigError

_FSDP = "ACCELERATE_USE_FSDP"
_REFUSED = {
    "ACCELERATE_USE_DEEPSPEED": "DeepSpeed",
    "ACCELERATE_USE_MEGATRON_LM": "Megatron-LM",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "a parallelism_config",
}
_REFUSED_OF_FSDP = {
    "FSDP_OFFLOAD_PARAMS": ("weights stay on the accelerators", "Launch with --fsdp_offload_params false."),
    "FSDP_ACTIVATION_CHECKPOINTING": (
        "irltui has its own option for activations",
        "Launch without it, with --set model.gradient_checkpointing=true.",
    ),
}
_PORTS, _FIRST_PORT = 20_000, 15_000  # away from the ports that systems hand out


@dataclass(frozen=True)
class Signals:
    """Signals that end a run with a checkpoint and exit code 75, and signals that save a checkpoint and continue."""

    leave: tuple[int, ...] = (signal.SIGTERM,)
    save: tuple[int, ...] = (signal.SIGUSR1,)


USUAL = Signals()


def under_launcher() -> bool:
    """Whether torchrun, accelerate or srun started this process."""
    return any(name in os.environ for name in ("RANK", "WORLD_SIZE")) or _by_srun(os.environ)


def refuse_sharding(environment: Mapping[str, str] = os.environ) -> None:
    """Refuse options of accelerate that irltui does not support: it would silently train whole copies."""
    for name, what in _REFUSED.items():
        if _is_on(environment, name):
            raise ConfigError(
                f"{name}: {what} is not supported",
                "Launch without it, with --set model.shard=fsdp2: every process then holds a part of the model.",
            )
    if not _is_on(environment, _FSDP):
        return
    if environment.get("FSDP_VERSION", "1") != "2":
        raise ConfigError(f"{_FSDP}: the first version of FSDP is not supported", "Add --fsdp_version 2.")
    for name, (why, hint) in _REFUSED_OF_FSDP.items():
        if _is_on(environment, name):
            raise ConfigError(f"{name}: {why}", hint)


def take_fsdp(environment: MutableMapping[str, str] = os.environ) -> bool:
    """Whether accelerate was configured for FSDP; the variable is removed, since irltui shards the model itself."""
    wanted = _is_on(environment, _FSDP)
    environment.pop(_FSDP, None)
    return wanted


def _is_on(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() in {"1", "true"}


def rank() -> int:
    """The global rank; 0 for a single process."""
    return int(os.environ.get("RANK") or (os.environ["SLURM_PROCID"] if _by_srun(os.environ) else 0))


def complete_environment(environment: MutableMapping[str, str] = os.environ) -> None:
    """Set torchrun's variables from srun's; variables that a launcher has set stay."""
    if "RANK" in environment or not _by_srun(environment):
        return
    job = int(environment.get("SLURM_JOB_ID", "0"))
    environment["RANK"] = environment["SLURM_PROCID"]
    environment["LOCAL_RANK"] = environment.get("SLURM_LOCALID", "0")
    environment["WORLD_SIZE"] = environment["SLURM_STEP_NUM_TASKS"]
    here = re.match(r"\d+", environment.get("SLURM_STEP_TASKS_PER_NODE", environment["WORLD_SIZE"]))
    environment.setdefault("LOCAL_WORLD_SIZE", here.group() if here else "1")
    environment.setdefault("MASTER_ADDR", first_host(environment.get("SLURM_STEP_NODELIST", "")) or "127.0.0.1")
    environment.setdefault("MASTER_PORT", str(_FIRST_PORT + job % _PORTS))


def first_host(nodes: str) -> str:
    """The first host of a Slurm node list: gpu007 of `gpu[007-009,12],login1`."""
    return re.sub(r"\[([^],-]*)[^]]*\]", r"\1", re.split(r",(?![^[]*\])", nodes)[0])


def _by_srun(environment: MutableMapping[str, str]) -> bool:
    """Batch scripts have SLURM_PROCID too; only tasks of a step have the number of tasks."""
    return "SLURM_PROCID" in environment and int(environment.get("SLURM_STEP_NUM_TASKS", "0")) > 1
