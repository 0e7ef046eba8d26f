"""What launchers say in the environment, and what becomes of it."""

from __future__ import annotations

import pytest

from irltui.distributed.launch import complete_environment, first_host, refuse_sharding, take_fsdp
from irltui.errors import ConfigError

TASK = {
    "SLURM_JOB_ID": "70123",
    "SLURM_PROCID": "9",
    "SLURM_LOCALID": "1",
    "SLURM_STEP_NUM_TASKS": "16",
    "SLURM_STEP_TASKS_PER_NODE": "8(x2)",
    "SLURM_STEP_NODELIST": "gpu[007-008]",
}


def test_a_task_of_srun_is_told_in_torchs_words() -> None:
    environment = dict(TASK)
    complete_environment(environment)
    names = ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
    assert [environment[name] for name in names] == ["9", "1", "16", "8", "gpu007", "25123"]


def test_what_a_launcher_inside_the_task_has_set_stays() -> None:
    environment = {**TASK, "RANK": "3"}
    complete_environment(environment)
    assert environment == {**TASK, "RANK": "3"}


def test_an_address_that_the_user_has_set_stays() -> None:
    environment = {**TASK, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4711"}
    complete_environment(environment)
    assert (environment["MASTER_ADDR"], environment["MASTER_PORT"]) == ("10.0.0.1", "4711")


def test_a_batch_script_is_no_task() -> None:
    environment = {"SLURM_JOB_ID": "1", "SLURM_PROCID": "0", "SLURM_NTASKS": "16"}
    complete_environment(environment)
    assert "RANK" not in environment


@pytest.mark.parametrize(
    ("environment", "word"),
    [
        ({"ACCELERATE_USE_DEEPSPEED": "true"}, "model.shard=fsdp2"),
        ({"ACCELERATE_USE_MEGATRON_LM": "true"}, "Megatron-LM is not supported"),
        ({"ACCELERATE_USE_FSDP": "true"}, "--fsdp_version 2"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_OFFLOAD_PARAMS": "true"}, "offload_params false"),
        ({"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2", "FSDP_ACTIVATION_CHECKPOINTING": "true"}, "gradient_"),
    ],
)
def test_what_is_not_done_is_refused_with_what_is(environment: dict[str, str], word: str) -> None:
    with pytest.raises(ConfigError) as refused:
        refuse_sharding(environment)
    assert word in str(refused.value)


def test_the_second_fsdp_is_taken_over_from_accelerate() -> None:
    environment = {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    refuse_sharding(environment)
    assert [take_fsdp(environment), take_fsdp(environment), take_fsdp({"ACCELERATE_USE_FSDP": "false"})] == [
        True,
        False,
        False,
    ]


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("gpu[007-009,12],login1", "gpu007"),
        ("a1,a2", "a1"),
        ("node5", "node5"),
        ("rack[1,3]-n[02-04]", "rack1-n02"),
        ("", ""),
    ],
)
def test_the_first_host_of_a_short_list(nodes: str, first: str) -> None:
    assert first_host(nodes) == first
