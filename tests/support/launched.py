"""A run on several processes: forked here for speed, with the environment that torchrun would give them."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from typing import Any

import torch

from irltui.runs.folder import RunFolder
from support.runs import work

_FORK = multiprocessing.get_context("fork")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def start_ranks(run: RunFolder, count: int = 2, before: Callable[[int], Any] = lambda rank: None) -> list[Any]:
    """Engines of one run; `before` is called in each with its rank."""
    port = str(free_port())

    def rank_main(rank: int) -> None:
        names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": count, "LOCAL_WORLD_SIZE": count}
        os.environ.update({name: str(value) for name, value in names.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=port)
        torch.set_num_threads(1)
        before(rank)
        os._exit(work(run))

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
