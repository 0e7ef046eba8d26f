"""One run on two processes over gloo gives what one process gives: same generations, same numbers, same files."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from irltui.api import Responses, UpdateSpec
from irltui.distributed import ranks
from irltui.distributed.launch import complete_environment
from irltui.engine import guard
from irltui.engine.stepper import Stepper
from irltui.errors import TrainingError
from irltui.lm.policy import LanguageModelPolicy
from irltui.runs.control import Command, send
from irltui.runs.events import Kind
from irltui.updates import groups
from support.launched import (
    RUNS,
    TOLERANCE,
    assert_same_result,
    at_step,
    ranks_of_one,
    stop_after,
    weights,
    work_together,
)
from support.runs import Change, config, demonstrations, events, finish, prepare, results, rft
from support.tiny import folder as tiny


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("material")
    return tiny(path / "model"), demonstrations(path / "data.jsonl", 25)


@pytest.mark.usefixtures("trust_code")
@pytest.mark.parametrize("name", RUNS)
def test_two_processes_give_what_one_gives(name: str, material: tuple[Path, Path], tmp_path: Path) -> None:
    values = config(*material, RUNS[name])
    alone = finish(tmp_path / "alone", values)
    together = prepare(tmp_path / "together", values)
    assert work_together(together) == [0, 0], (together.ranks / "1.log").read_text()
    assert_same_result(alone, together)
    assert [e.ranks for e in events(together, Kind.RUN_START)] == [2]


@pytest.mark.parametrize(("name", "first", "second"), [("irft-lora", 2, 1), ("rft", 2, 3), ("irft", 1, 2)])
def test_a_run_goes_on_with_more_or_fewer_processes(
    name: str, first: int, second: int, material: tuple[Path, Path], tmp_path: Path
) -> None:
    values = config(*material, RUNS[name])
    alone = finish(tmp_path / "alone", values)
    run = prepare(tmp_path / "run", values)
    assert work_together(run, first, before=lambda rank: stop_after(3, rank, first)) == [75] * first
    (end,) = events(run, Kind.RUN_END)
    assert end.state == "preempted"
    assert work_together(run, second) == [0] * second
    assert_same_result(alone, run)


def test_two_processes_that_were_stopped_go_on_to_the_very_same_weights(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    values = config(*material, {"adapter": {"kind": "lora", "rank": 4, "dropout": 0.2}})
    whole, cut = prepare(tmp_path / "whole", values), prepare(tmp_path / "cut", values)
    assert work_together(whole) == [0, 0]
    assert work_together(cut, before=lambda rank: stop_after(3, rank)) == [75, 75]
    assert work_together(cut) == [0, 0]
    assert results(whole) == results(cut)
    assert weights(whole).keys() == weights(cut).keys()
    assert all(torch.equal(tensor, weights(cut)[name]) for name, tensor in weights(whole).items())


def test_usr1_saves_and_what_the_time_limit_kills_goes_on_from_there_to_the_very_same_weights(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    values = config(*material)
    whole, cut = prepare(tmp_path / "whole", values), prepare(tmp_path / "cut", values)
    assert work_together(whole) == [0, 0]

    def slurm(rank: int) -> None:
        at_step(1, rank, lambda: os.kill(os.getpid(), signal.SIGUSR1))
        at_step(3, rank, lambda: os.kill(os.getpid(), signal.SIGKILL))

    assert work_together(cut, before=slurm) == [1, -signal.SIGKILL]
    assert events(cut, Kind.CHECKPOINT)[-1].reason == "asked by SIGUSR1"
    assert work_together(cut) == [0, 0]
    assert results(whole) == results(cut)
    assert all(torch.equal(tensor, weights(cut)[name]) for name, tensor in weights(whole).items())


def test_a_killed_process_ends_the_others_with_its_number_and_the_run_goes_on(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    values = config(*material, {"checkpoint": {"every_steps": 1}})
    alone = finish(tmp_path / "alone", values)
    run = prepare(tmp_path / "run", values)
    kill = lambda rank: at_step(3, rank, lambda: os.kill(os.getpid(), signal.SIGKILL))  # noqa: E731
    assert work_together(run, before=kill) == [1, -signal.SIGKILL]
    (end,) = events(run, Kind.RUN_END)
    assert end.state == "failed"
    assert "another process left: rank 1 (pid" in end.reason
    assert "killed" in end.reason
    assert work_together(run) == [0, 0]
    assert_same_result(alone, run)


def test_a_process_that_fails_is_told_with_its_reason(material: tuple[Path, Path], tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(*material))

    def fail() -> None:
        raise TrainingError("the second one's disk is gone")

    assert work_together(run, before=lambda rank: at_step(2, rank, fail)) == [1, 1]
    (end,) = events(run, Kind.RUN_END)
    assert "rank 1" in end.reason
    assert "the second one's disk is gone" in end.reason


def test_a_number_that_is_not_finite_in_one_process_ends_all_and_keeps_its_batch(
    material: tuple[Path, Path], tmp_path: Path
) -> None:
    run = prepare(tmp_path / "run", config(*material))

    def poison(rank: int) -> None:
        true = Stepper.accumulate
        if rank == 1:
            Stepper.accumulate = lambda self, loss: true(self, loss * float("nan"))

    assert work_together(run, before=poison) == [1, 1]
    (end,) = events(run, Kind.RUN_END)
    assert "rank 1" in end.reason
    assert "the loss is nan" in end.reason
    assert [folder.name for folder in run.faults.iterdir()] == ["0000-000000-rank1"]


def hold_at_most(most: int, places: str = "forward") -> Callable[[int], None]:
    """In the second process, memory runs out where a pass with gradient holds more than `most` responses."""
    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 byte.")

    def fill(rank: int) -> None:
        forward, backward, held = LanguageModelPolicy.token_log_probs, Stepper.accumulate, [0]

        def token_log_probs(self: LanguageModelPolicy, responses: Responses) -> torch.Tensor:
            held[0] = len(responses.input_ids) * torch.is_grad_enabled()
            if places == "forward" and held[0] > most:
                raise full
            return forward(self, responses)

        def accumulate(self: Stepper, loss: torch.Tensor) -> float:
            if places == "backward" and held[0] > most:
                raise full
            return backward(self, loss)

        if rank == 1:
            LanguageModelPolicy.token_log_probs, Stepper.accumulate = token_log_probs, accumulate

    return fill


@pytest.mark.parametrize(("algorithm", "most", "place"), [("sft", 1, "backward"), ("irft", 2, "forward")])
def test_where_one_process_runs_out_of_memory_all_halve_the_micro_batch_and_learn_the_same(
    material: tuple[Path, Path], tmp_path: Path, algorithm: str, most: int, place: str
) -> None:
    def values(size: int) -> dict[str, object]:
        kept: Change = {"checkpoint": {"every_steps": 1}, "optimizer": {"epsilon": 1e-2}}
        return config(*material, {"algorithm": algorithm, **kept, "loop": {"batch": 8, "micro_batch": size}})

    small, run = prepare(tmp_path / "small", values(1)), prepare(tmp_path / "run", values(4))
    assert work_together(small) == [0, 0]
    assert work_together(run, before=hold_at_most(most, place)) == [0, 0]  # weights that differ would not be saved
    told = [event.text.split(";")[0] for event in events(run, Kind.ALERT, where=lambda e: e.code == "memory")]
    assert told == [
        "Out of memory on rank 1: the micro-batch is now 2 instead of 4",
        "Out of memory on rank 1: the micro-batch is now 1 instead of 2",
    ]
    assert_same_result(small, run)


@pytest.mark.parametrize("place", ["forward", "backward"])
def test_where_there_is_nothing_to_halve_all_end_and_are_told_what_to_lower(
    material: tuple[Path, Path], tmp_path: Path, place: str
) -> None:
    run = prepare(tmp_path / "run", config(*material))
    assert work_together(run, before=hold_at_most(0, place)) == [1, 1]
    (end,) = events(run, Kind.RUN_END)
    assert end.reason == "out of memory in phase update, micro-batch 1 on rank 1"
    assert "Lower loop.micro_batch" in end.hint


def test_memory_that_runs_out_while_the_weights_move_ends_all(material: tuple[Path, Path], tmp_path: Path) -> None:
    """The others have moved theirs."""
    run = prepare(tmp_path / "run", config(*material))

    def fill(rank: int) -> None:
        true = Stepper.step

        def step(self: Stepper, planned: int) -> tuple[float, float]:
            true(self, planned)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 1 byte.")

        if rank == 1:
            Stepper.step = step

    assert work_together(run, before=fill) == [1, 1]
    (end,) = events(run, Kind.RUN_END)
    assert "rank 1" in end.reason
    assert "out of memory in phase update, micro-batch 2" in end.reason
    assert "loop.micro_batch" in end.hint


@pytest.mark.parametrize("algorithm", ["sft", "irft"])
def test_a_step_that_one_process_cannot_take_is_skipped_by_all(
    material: tuple[Path, Path], tmp_path: Path, algorithm: str
) -> None:
    change: Change = {"algorithm": algorithm, "loop": {"max_nonfinite_steps": 1}}
    run = prepare(tmp_path / "run", config(*material, change))

    def poison(rank: int) -> None:
        true, calls = Stepper.accumulate, iter(range(1_000))
        if rank == 1:
            Stepper.accumulate = lambda self, loss: true(self, loss * (float("nan") if next(calls) == 1 else 1.0))

    assert work_together(run, before=poison) == [0, 0]  # weights that differ would not be saved
    (alert,) = events(run, Kind.ALERT, where=lambda event: event.code == "not_finite")
    assert "is skipped" in alert.text
    skipped = events(run, Kind.METRICS, where=lambda event: "train/skipped" in event.values)
    assert [event.values["train/skipped"] for event in skipped] == [1.0]
    assert all(tensor.isfinite().all() for tensor in weights(run).values())


def test_processes_that_have_come_apart_do_not_save(material: tuple[Path, Path], tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(*material))

    def drift(rank: int) -> None:
        if rank == 1:
            ranks.sum_gradients = lambda parameters: None
        else:
            ranks.reduce = lambda tensor, how: tensor

    assert work_together(run, before=drift) == [1, 1]
    (end,) = events(run, Kind.RUN_END)
    assert "weights differ" in end.reason


def test_a_plugins_policy_step_counts_once(material: tuple[Path, Path], tmp_path: Path) -> None:
    """It knows of no ranks: each computes all of it."""
    values = config(*material, rft({"loop": {"outer_iterations": 1}}))

    def foreign(rank: int) -> None:
        guard._is_foreign = lambda spec: isinstance(spec, UpdateSpec)
        groups.ranks = ranks_of_one()

    alone = finish(tmp_path / "alone", values)
    together = prepare(tmp_path / "together", values)
    assert work_together(together, before=foreign) == [0, 0]
    there = weights(together)
    for name, tensor in weights(alone).items():
        torch.testing.assert_close(tensor, there[name], atol=TOLERANCE, rtol=1e-4)


def test_commands_reach_all_processes(material: tuple[Path, Path], tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(*material))

    def command(rank: int) -> None:
        at_step(1, rank, lambda: [send(run, c, "the cat?") for c in (Command.SAMPLE, Command.CHECKPOINT, Command.STOP)])

    assert work_together(run, before=command) == [130, 130]
    answers = [(e.command, e.state) for e in events(run, Kind.CONTROL)]
    assert answers == [(c, s) for c in ("sample", "checkpoint", "stop") for s in ("accepted", "applied")]
    assert events(run, Kind.RUN_END)[0].state == "stopped"


def test_torchrun_starts_it_and_every_console_is_kept(material: tuple[Path, Path], tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(*material, {"loop": {"outer_iterations": 1}}))
    torchrun = ["torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    started = subprocess.run(
        [sys.executable, "-m", *torchrun, "-m", "irltui", "run", "--resume", str(run.path), "--headless"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    assert started.returncode == 0, started.stdout
    assert "finished" in started.stdout
    assert run.console.exists()
    assert (run.ranks / "1.log").exists()


def test_the_tasks_of_srun_find_each_other(material: tuple[Path, Path], tmp_path: Path) -> None:
    run = prepare(tmp_path / "run", config(*material))

    def task(rank: int) -> None:
        for name in ("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"):
            del os.environ[name]
        step = {"SLURM_JOB_ID": "7", "SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_NODELIST": "localhost"}
        os.environ.update(step, SLURM_PROCID=str(rank), SLURM_LOCALID=str(rank))
        complete_environment()

    assert work_together(run, before=task) == [0, 0]
    assert [e.ranks for e in events(run, Kind.RUN_START)] == [2]
