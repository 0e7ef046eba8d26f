"""QLoRA: adapters over a base in 4 bits, and a result that is the policy that was trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM

from irltui.lm import load
from irltui.runs.events import Kind, RunEnd
from support.runs import Change, config, demonstrations, events, finish, prepare, work
from support.tiny import folder

FOUR_BITS: Change = {
    "model": {"quantization": "4bit", "precision": "float32"},
    "adapter": {"kind": "lora", "rank": 4},
    "optimizer": {"learning_rate": 1e-2},
}


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl")


def refusal(tmp_path: Path, values: dict[str, object]) -> str:
    run = prepare(tmp_path / "run", values)
    assert work(run) == 2
    end = events(run, Kind.RUN_END)[-1]
    assert isinstance(end, RunEnd)
    return f"{end.reason} {end.hint}"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_cuda_device_it_is_refused_with_the_reason(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    told = refusal(tmp_path, config(*inputs, FOUR_BITS))
    assert "needs a CUDA device" in told
    assert 'model.quantization = "off"' in told


@pytest.mark.parametrize(
    ("change", "remedy"),
    [({"adapter": {"kind": "off"}}, 'adapter.kind = "lora"'), ({"model": {"shard": "fsdp2"}}, 'model.shard = "off"')],
)
def test_what_cannot_be_trained_in_4_bits_is_refused(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, change: Change, remedy: str
) -> None:
    monkeypatch.setattr(load, "require_4bit", lambda: None)
    values = config(*inputs, FOUR_BITS)
    for table, options in change.items():
        values[table] |= options
    assert remedy in refusal(tmp_path, values)


@pytest.mark.parametrize("algorithm", ["irft", "sft"])
def test_the_result_is_the_base_as_it_was_in_4_bits_with_the_adapter_merged(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, algorithm: str
) -> None:
    pytest.importorskip("bitsandbytes")
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    wide = LlamaConfig(vocab_size=55, initializer_range=0.1, eos_token_id=2, pad_token_id=1, **sizes)
    LlamaForCausalLM(wide).save_pretrained(inputs[0])  # 4 bits come in blocks of 64
    monkeypatch.setattr(load, "require_4bit", lambda: None)  # bitsandbytes computes on a CPU too, slowly
    run = finish(tmp_path / "run", config(*inputs, {**FOUR_BITS, "algorithm": algorithm}))
    assert "quantization_config" not in json.loads((run.model / "config.json").read_text())
    before, after = (load_file(path / "model.safetensors") for path in (inputs[0], run.model))
    assert before.keys() == after.keys()
    assert torch.equal(before["model.embed_tokens.weight"], after["model.embed_tokens.weight"])
    moved = (before["model.layers.0.mlp.up_proj.weight"] - after["model.layers.0.mlp.up_proj.weight"]).abs()
    assert 1e-3 < float(moved.mean()) < 0.2  # rounding, and what was learned
