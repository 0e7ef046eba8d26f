"""A policy whose model is sharded over two processes: the first sends all of it, whenever any part has moved."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from irltui.config.schema import AdapterSection, ModelSection
from irltui.distributed import ranks
from irltui.distributed.sharding import make_sharding
from irltui.lm.load import add_adapter, load_model, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy
from irltui_vllm.weights import Engine, InStep, checkpoint
from support.launched import start_processes

SECTION = ModelSection(name="quickstart")


class Recorder(Engine):
    """Keeps what it is sent."""

    def __init__(self, policy: LanguageModelPolicy, folder: Path) -> None:
        self._policy, self._folder, self._count = policy, folder, 0

    def push(self) -> None:
        self._count += 1
        sent = {name: tensor.clone() for name, tensor in checkpoint(self._policy).items()}  # tied ones share storage
        save_file(sent, self._folder / f"{self._count}.safetensors")

    def sleep(self) -> None:
        raise NotImplementedError

    def wake(self, tag: str) -> None:
        raise NotImplementedError


def _send(folder: Path, rank: int) -> int:
    device = ranks.start().device
    model = add_adapter(load_model(SECTION), AdapterSection(kind="lora", rank=2), 0)
    policy = LanguageModelPolicy(
        model,
        load_tokenizer(SECTION),
        frozenset({1}),
        partial(load_model, SECTION),
        sharding=make_sharding(device, None),
    )
    in_step = InStep(policy, Recorder(policy, folder), ranks, sleeps=False)
    in_step.refresh()
    in_step.refresh()  # nothing has moved
    with torch.no_grad():
        for name, parameter in policy.trained().items():
            if rank and "lora_B" in name:
                ranks.local(parameter).fill_(0.01)
    in_step.refresh()
    with policy.initial():  # the adapters are switched off
        InStep(policy, Recorder(policy, folder / "initial"), ranks, sleeps=False).refresh()
    ranks.leave()
    return 0


def test_the_whole_model_is_sent_and_again_when_one_part_has_moved(tmp_path: Path) -> None:
    (tmp_path / "initial").mkdir()
    started = start_processes(partial(_send, tmp_path), 2)
    for process in started:
        process.join(60)
    assert [process.exitcode for process in started] == [0, 0]
    assert sorted(file.name for file in tmp_path.glob("*.safetensors")) == ["1.safetensors", "2.safetensors"]
    loaded = load_model(SECTION).state_dict()
    first, second = load_file(tmp_path / "1.safetensors"), load_file(tmp_path / "2.safetensors")
    assert first.keys() == second.keys() == loaded.keys()
    assert all(torch.equal(first[name], tensor) for name, tensor in loaded.items())
    assert any(not torch.equal(first[name], second[name]) for name in first)
    initial = load_file(tmp_path / "initial" / "1.safetensors")
    assert all(torch.equal(initial[name], tensor) for name, tensor in loaded.items())
