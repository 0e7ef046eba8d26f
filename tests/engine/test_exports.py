"""What a run writes is what it trained, complete, and stops under plain transformers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, MambaConfig, MambaForCausalLM

from irltui.config.requests import ExportRequest
from irltui.lm import exported
from irltui.runs.events import Kind, RunEnd
from support.runs import Change, config, demonstrations, events, finish, prepare, work
from support.tiny import folder, with_code
from support.worker import worked


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return demonstrations(tmp_path / "demos.jsonl")


def test_a_turn_that_ends_with_another_token_than_the_text_ends_under_plain_generate(
    tmp_path: Path, data: Path
) -> None:
    model = folder(tmp_path / "model")
    published = model / "generation_config.json"  # some are like this, and transformers would not write them
    published.write_text(json.dumps({**json.loads(published.read_text()), "temperature": 0.7}))
    file = model / "chat_template.jinja"
    file.write_text(file.read_text().replace("<|end|>", "<|stop|>"))
    learned: Change = {"algorithm": "sft", "optimizer": {"learning_rate": 3e-2}, "loop": {"passes": 20}}
    run = finish(tmp_path / "run", config(model, data, learned))
    stop = AutoTokenizer.from_pretrained(run.model).convert_tokens_to_ids("<|stop|>")
    assert json.loads((run.model / "generation_config.json").read_text())["eos_token_id"] == [2, stop]
    result, tokenizer = AutoModelForCausalLM.from_pretrained(run.model), AutoTokenizer.from_pretrained(run.model)
    row = json.loads(data.read_text().splitlines()[0])
    asked = tokenizer.apply_chat_template(
        [{"role": "user", "content": row["prompt"]}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    made = result.generate(**asked, max_new_tokens=64, do_sample=False)
    assert int(made[0, -1]) == stop
    assert made.shape[1] < asked["input_ids"].shape[1] + 64


@pytest.mark.parametrize("change", [{}, {"adapter": {"kind": "lora", "rank": 4}}], ids=["full", "lora"])
def test_an_export_that_is_another_model_is_an_error_and_the_checkpoints_stay(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    values = config(folder(tmp_path / "model"), data, change)
    run = prepare(tmp_path / "run", values)
    with monkeypatch.context() as patched:
        patched.setattr(exported, "_logits", lambda model, rows: torch.randn(*rows.shape, 55))
        assert work(run) == 1
    end = events(run, Kind.RUN_END)[-1]
    assert isinstance(end, RunEnd)
    assert "the exported model is not the one that was trained" in end.reason
    assert not run.model.exists()
    assert work(run) == 0  # it exports again
    assert worked(ExportRequest(run=run.path, iteration="last", out=tmp_path / "out")) == 0


@pytest.mark.usefixtures("trust_code")
@pytest.mark.parametrize("adapter", ["off", "lora"])
def test_a_model_with_code_of_its_own_trains_and_takes_its_code_along(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch, adapter: str
) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    model = with_code(tmp_path / "model", tmp_path / "mark", f"own_{adapter}")
    change: Change = {"model": {"trust_remote_code": True}, "adapter": {"kind": adapter, "rank": 4}}
    run = finish(tmp_path / "run", config(model, data, change))
    assert (run.model / "own.py").is_file()
    AutoModelForCausalLM.from_pretrained(run.model, trust_remote_code=True)


def test_a_recurrent_model_trains_and_is_exported(tmp_path: Path, data: Path) -> None:
    model = folder(tmp_path / "model")
    sizes = MambaConfig(
        vocab_size=55, hidden_size=32, num_hidden_layers=1, state_size=4, eos_token_id=2, pad_token_id=1
    )
    MambaForCausalLM(sizes).save_pretrained(model)
    run = finish(tmp_path / "run", config(model, data))
    errors = [event.values.get("sampler/logp_error", 0.0) for event in events(run, Kind.METRICS)]
    assert max(errors) < 1e-3
