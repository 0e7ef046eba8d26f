"""Checkpoints of a sharded model: every process writes and reads its own part, in the background too."""

from __future__ import annotations

import math
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch.distributed.checkpoint import HuggingFaceStorageReader

from irltui.api.registry import Registry
from irltui.config.load import recorded
from irltui.config.schema import RunConfig
from irltui.distributed import ranks
from irltui.engine import checkpoint
from irltui.engine.checkpoint import Contents
from irltui.errors import EXIT_FAILED
from irltui.runs.checkpoints import newest_first, newest_usable, unusable
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from irltui.use.learned import load_checkpoint
from support.launched import LORA, assert_same_result, stop_after, weights, work_together
from support.runs import Change, config, demonstrations, events, finish, prepare, results, rft
from support.tiny import folder as tiny

TOLERANCE = 5e-5
EVERY: Change = {"checkpoint": {"every_steps": 1, "keep": 9}}
CUT: Change = {"model": {"shard": "fsdp2"}}


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    path = tmp_path_factory.mktemp("material")
    return tiny(path / "model"), demonstrations(path / "data.jsonl", 25)


@pytest.fixture(scope="module")
def known(material: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A run of two processes that nothing happened to."""
    run = prepare(tmp_path_factory.mktemp("known") / "run", config(*material, {**CUT, **EVERY}))
    assert work_together(run, before=gather_nothing) == [0, 0]
    return run


def gather_nothing(rank: int) -> None:
    """Let nothing whole be put together while a checkpoint is taken."""
    true = checkpoint.contents

    def contents(*arguments: Any, **options: Any) -> Contents:
        whole, ranks.whole = ranks.whole, None
        try:
            return true(*arguments, **options)
        finally:
            ranks.whole = whole

    checkpoint.contents = contents


def in_writing(act: Callable[[int], Any], number: int) -> Callable[[int], None]:
    """In each process, act when it writes its share of the `number`-th checkpoint; `act` gets the rank."""

    def before(rank: int) -> None:
        true, count = Contents.write, [0]

        def write(self: Contents, folder: Path) -> Any:
            count[0] += 1
            if count[0] == number:
                assert threading.current_thread().name == "checkpoint"
                act(rank)
            return true(self, folder)

        Contents.write = write

    return before


def test_each_process_writes_half_and_the_parts_are_the_whole(material: tuple[Path, Path], known: RunFolder) -> None:
    last = known.checkpoints / newest_first(known)[0]
    for file, copies in (("parameters", 1), ("optimizer", 2)):
        sizes = [path.stat().st_size for path in sorted((last / "shards" / file).iterdir())]
        total = copies * sum(tensor.nbytes for tensor in weights(known).values())
        assert len(sizes) == 2
        assert sum(sizes) == pytest.approx(total, rel=0.25)  # their headers are not small beside so small a model
        assert max(sizes) < 0.65 * sum(sizes)
    assert not load_file(last / "parameters.safetensors")


def test_torchs_own_reader_finds_every_tensor_in_its_shape(known: RunFolder) -> None:
    last = known.checkpoints / newest_first(known)[0]
    found = HuggingFaceStorageReader(str(last / "shards" / "parameters")).read_metadata().state_dict_metadata
    shapes = {name: tensor.shape for name, tensor in weights(known).items()}
    assert {name: about.size for name, about in found.items()} == shapes


def test_one_process_reads_the_checkpoint_as_the_result(material: tuple[Path, Path], known: RunFolder) -> None:
    parts = load_checkpoint(_config(known), known.checkpoints / newest_first(known)[0])
    there = weights(known)
    for name, parameter in parts.policy.trained().items():
        assert torch.equal(parameter.detach(), there[name]), name


def count_what_is_read(rank: int, folder: Path) -> None:
    """Leave the number of values that this process takes from files of parts."""
    true, count = HuggingFaceStorageReader._process_read_request, [0]

    def process(self: Any, file: Any, request: Any, planner: Any) -> None:
        count[0] += math.prod(request.lengths)
        (folder / f"{rank}.read").write_text(str(count[0]))
        true(self, file, request, planner)

    HuggingFaceStorageReader._process_read_request = process


@pytest.mark.parametrize("count", [2, 3])
def test_each_process_reads_its_own_part_alone(
    material: tuple[Path, Path], known: RunFolder, tmp_path: Path, count: int
) -> None:
    run = prepare(tmp_path / "run", config(*material, {**CUT, **EVERY}))
    assert work_together(run, before=lambda rank: stop_after(3, rank)) == [75, 75]
    assert work_together(run, count, before=lambda rank: count_what_is_read(rank, tmp_path)) == [0] * count
    read = [int((tmp_path / f"{rank}.read").read_text()) for rank in range(count)]
    total = sum(tensor.numel() for tensor in weights(known).values())
    assert sum(read) == 4 * total  # weights and two moments, and weights again for kl/reference
    assert max(read) < 1.3 * 4 * total / count
    if count == 2:
        assert results(run) == results(known)
        assert all(torch.equal(tensor, weights(known)[name]) for name, tensor in weights(run).items())
    else:
        assert_same_result(known, run, TOLERANCE)


@pytest.mark.slow
@pytest.mark.parametrize("change", [rft(), rft(LORA)], ids=["reward", "adapters"])
def test_rewards_and_adapters_go_on_from_parts_with_fewer_and_more_processes(
    material: tuple[Path, Path], tmp_path: Path, change: Change
) -> None:
    alone = finish(tmp_path / "alone", config(*material, change))
    run = prepare(tmp_path / "run", config(*material, {**change, **CUT}))
    assert work_together(run, before=lambda rank: stop_after(3, rank)) == [75, 75]
    name = newest_usable(run)[0]
    assert name
    assert len(list((run.checkpoints / name / "shards" / "reward" / "reward").iterdir())) == 2
    assert work_together(run, 1, before=lambda rank: stop_after(2, rank, count=1)) == [75]
    assert work_together(run, 3) == [0, 0, 0]
    assert_same_result(alone, run, TOLERANCE)


@pytest.mark.parametrize("last", [0, 1])
def test_a_kill_amid_writing_leaves_the_checkpoint_before_in_force_and_the_run_ends_the_same(
    material: tuple[Path, Path], known: RunFolder, tmp_path: Path, last: int
) -> None:
    run = prepare(tmp_path / "run", config(*material, {**CUT, **EVERY}))

    def kill(rank: int) -> None:
        if rank == last:
            os.kill(os.getpid(), signal.SIGKILL)

    assert work_together(run, before=in_writing(kill, 3))[last] == -signal.SIGKILL
    assert newest_usable(run) == ("0000-000002", [])
    assert work_together(run) == [0, 0]
    assert results(run) == results(known)
    assert all(torch.equal(tensor, weights(known)[name]) for name, tensor in weights(run).items())


@pytest.mark.parametrize("failing", [0, 1])
def test_an_error_of_one_process_in_the_background_ends_all_with_its_reason(
    material: tuple[Path, Path], tmp_path: Path, failing: int
) -> None:
    run = prepare(tmp_path / "run", config(*material, {**CUT, **EVERY}))

    def fail(rank: int) -> None:
        if rank == failing:
            raise OSError(28, "No space left on device")

    assert work_together(run, before=in_writing(fail, 3)) == [EXIT_FAILED, EXIT_FAILED]
    (end,) = events(run, Kind.RUN_END)
    assert "0000-000003: cannot be written: [Errno 28] No space left on device" in end.reason
    assert newest_usable(run) == ("0000-000002", [])
    assert not list(run.checkpoints.glob(".*"))


def test_a_part_that_is_missing_or_changed_is_found(known: RunFolder, tmp_path: Path) -> None:
    name = newest_first(known)[0]
    part = known.checkpoints / name / "shards" / "optimizer" / "00001.safetensors"
    content = part.read_bytes()
    try:
        part.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        assert "shards/optimizer/00001.safetensors has changed" in unusable(known, name)
        part.unlink()
        assert "shards/optimizer/00001.safetensors is missing" in unusable(known, name)
    finally:
        part.write_bytes(content)
    assert unusable(known, name) == ""


def _config(run: RunFolder) -> RunConfig:
    return recorded(read_manifest(run).config, Registry())
