"""A run on several processes: forked here for speed, with the environment that torchrun would give them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
from collections.abc import Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from irltui.engine.stepper import Stepper
from irltui.runs.folder import RunFolder
from support import function_reward
from support.runs import Change, results, rft, stored, work

TOLERANCE = 2e-5  # of metrics and weights: ranks add up float32 in another order
SHARES = {"reward/accuracy", "pairs/both_down"}  # of signs: pi = pi_ref at first, but for rounding
LORA: Change = {"adapter": {"kind": "lora", "rank": 4, "dropout": 0.0}}
RUNS: dict[str, Change] = {
    "sft": {"algorithm": "sft"},
    "irft": {"checkpoint": {"every_steps": 2}},
    "irft-lora": LORA,
    "rft": rft(),
    "rft-function": rft({"reward": {"kind": "function", "file": function_reward.__file__}}),
    "rft-similarity": rft({"reward": {"kind": "similarity", "measure": "hidden"}}),
    "nce-3-generations": {"algorithm": "nce", "objective": {"generations": 3}},
    "few": {
        "algorithm": "few",
        "objective": {"generations": 2},
        "reference": {"kind": "fixed"},
        "loop": {"passes": 2, "outer_iterations": 1, "inner_steps": 3},
    },
    "rft-boltzmann-lora": rft({**LORA, "update": {"kind": "boltzmann", "prompts": 3, "generations": 3}}),
}
_FORK = multiprocessing.get_context("fork")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_ranks(run: RunFolder, count: int = 2, before: Callable[[int], Any] = lambda rank: None) -> list[Any]:
    """Engines of one run; `before` is called in each with its rank."""

    def main(rank: int) -> int:
        before(rank)
        return work(run)

    return start_processes(main, count)


def start_processes(main: Callable[[int], int], count: int) -> list[Any]:
    """What returns an exit code, in so many processes that can meet."""
    port = str(free_port())

    def rank_main(rank: int) -> None:
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        os.environ.update({name: str(value) for name, value in names.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        torch.set_num_threads(1)
        AcceleratorState._reset_state(reset_partial_state=True)  # of the process that they were forked from
        os._exit(main(rank))

    started = [_FORK.Process(target=rank_main, args=(rank,)) for rank in range(count)]
    for process in started:
        process.start()
    return started


def work_together(run: RunFolder, count: int = 2, before: Callable[[int], Any] = lambda rank: None) -> list[int]:
    """Exit codes of the ranks; 1 for each that hangs."""
    started = start_ranks(run, count, before)
    for process in started:
        process.join(60)
        if process.exitcode is None:
            process.kill()
            process.join()
    return [process.exitcode for process in started]


def stop_after(steps: int, rank: int, count: int = 2) -> None:
    """SIGTERM to the last process alone, as a scheduler may, behind so many optimizer steps."""
    at_step(steps, rank, lambda: os.kill(os.getpid(), signal.SIGTERM), count)


def at_step(steps: int, rank: int, act: Callable[[], Any], count: int = 2) -> None:
    """In the last process: act behind so many optimizer steps."""
    if rank != count - 1:
        return
    true, done = Stepper.step, [0]

    def step(self: Stepper, planned: int) -> tuple[float, float]:
        moved = true(self, planned)
        done[0] += 1
        if done[0] == steps:
            act()
        return moved

    Stepper.step = step


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.model / "model.safetensors")


def assert_close(one: Any, other: Any, tolerance: float = TOLERANCE) -> None:
    """Equal, numbers within the tolerance."""
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for name in one.keys() - SHARES:
            assert_close(one[name], other[name], tolerance)
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            assert_close(*pair, tolerance)
    elif isinstance(one, float):
        assert one == pytest.approx(other, abs=tolerance, rel=2e-4)
    else:
        assert one == other


def drawn(run: RunFolder) -> list[tuple[str, str, list[int]]]:
    """Every generation of a run: file, prompt, ids."""
    files = {path.name.partition(".jsonl")[0] for path in run.samples.iterdir()}
    rows = [(name, row) for name in files if not name.endswith("reference") for row in stored(run, name)]
    return sorted((name, row["prompt_id"], row["tokens"]) for name, row in rows)


def assert_same_numbers(one: RunFolder, other: RunFolder, tolerance: float = TOLERANCE) -> None:
    """Generations, samples and metrics, whatever has become of weights that nothing depends on."""
    assert drawn(one) == drawn(other)
    for (_, a), (_, b) in zip(results(one), results(other), strict=True):
        assert_close(a, b, tolerance)


def assert_same_result(one: RunFolder, other: RunFolder, tolerance: float = TOLERANCE) -> None:
    assert_same_numbers(one, other, tolerance)
    there = weights(other)
    for name, tensor in weights(one).items():
        torch.testing.assert_close(tensor, there[name], atol=tolerance, rtol=1e-4)


def ranks_of_one() -> SimpleNamespace:
    """`irltui.distributed.ranks` as a policy step sees it that knows of no other rank."""

    def in_passes(batches: Sequence[Sequence[int]], compute: Callable[[Sequence[int]], Iterable[Any]]) -> list[Any]:
        found = [pair for batch in batches for pair in zip(batch, compute(batch), strict=True)]
        return [value for _, value in sorted(found, key=lambda pair: pair[0])]

    return SimpleNamespace(passes=lambda items: [(item, True) for item in items], gather=list, in_passes=in_passes)
