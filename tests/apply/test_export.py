"""`irltui.apply export`: the model of one outer iteration, from its checkpoint."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from irltui.apply.__main__ import main
from irltui.runs.folder import RunFolder
from support.runs import Change, config, demonstrations, finish, rft
from support.tiny import folder


def make(tmp_path: Path, change: Change | None = None) -> RunFolder:
    inputs = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl")
    return finish(tmp_path / "run", config(*inputs, change))


def export(run: RunFolder, out: Path, iteration: str) -> int:
    return main(
        ["export", json.dumps({"run": str(run.path), "iteration": iteration, "out": str(out), "as_json": True})]
    )


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_file(path / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    "change",
    [{}, {"algorithm": "sft"}, {"adapter": {"kind": "lora", "rank": 4}}, {"model": {"dtype": "bfloat16"}}, rft()],
    ids=["irft", "sft", "lora", "bfloat16", "rft"],
)
def test_the_last_iteration_is_the_result_bit_for_bit(tmp_path: Path, change: Change) -> None:
    run = make(tmp_path, change)
    out = tmp_path / "deep" / "out"
    assert export(run, out, "last") == 0
    assert same(weights(out), weights(run.model))
    assert (out / "generation_config.json").read_text() == (run.model / "generation_config.json").read_text()
    assert AutoTokenizer.from_pretrained(out).chat_template
    assert (out / "reward").is_dir() == (change.get("algorithm") == "rft")
    if (out / "reward").is_dir():
        assert same(weights(out / "reward"), weights(run.reward))
        AutoModelForSequenceClassification.from_pretrained(out / "reward")


def test_an_iteration_is_named_by_its_number_and_the_best_by_its_figures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Far too fast at the end: the first iteration is the best.
    change: Change = {"optimizer": {"learning_rate": 0.5, "schedule": "constant"}, "algorithm": "sft"}
    run = make(tmp_path, change)
    assert [export(run, tmp_path / name, name) for name in ("1", "2", "best")] == [0, 0, 0]
    told = [json.loads(part) for part in capsys.readouterr().out.replace("}\n{", "}\0{").split("\0")]
    best = json.loads((run.checkpoints / "0002-000000" / "state.json").read_text())["position"]["best_checkpoint"]
    assert [row["outer_iterations"] for row in told[:2]] == [1, 2]
    assert told[2]["checkpoint"] == best
    assert not same(weights(tmp_path / "1"), weights(tmp_path / "2"))
    assert same(weights(tmp_path / "best"), weights(tmp_path / str(int(best[:4]))))
    AutoModelForCausalLM.from_pretrained(tmp_path / "1")


def test_what_cannot_be_exported_is_one_clear_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path, {"data": {"held_out": 0.0}, "checkpoint": {"keep": 1}})
    out = tmp_path / "out"
    for iteration, message in (
        ("best", "so none is best"),
        ("1", "after outer iteration 1 (0001-000000): not kept"),
        ("soon", "--iteration soon: no such iteration"),
    ):
        assert export(run, out, iteration) == 1
        assert message in capsys.readouterr().err
        assert not out.exists()
    out.mkdir()
    assert export(run, out, "last") == 1
    assert "is there already" in capsys.readouterr().err
    assert export(RunFolder(tmp_path / "nowhere"), tmp_path / "x", "last") == 3


def test_a_damaged_checkpoint_is_never_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path)
    file = run.checkpoints / "0002-000000" / "parameters.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert export(run, tmp_path / "out", "2") == 1
    printed = capsys.readouterr().err
    assert "has changed since it was written" in printed
    assert "Kept after outer iterations: 1;" in printed
    assert export(run, tmp_path / "last", "last") == 0  # the newest that verifies
    assert '"outer_iterations": 1' in capsys.readouterr().out


def test_a_model_that_was_exchanged_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path)
    folder(tmp_path / "model", "opt")
    assert export(run, tmp_path / "out", "last") == 1
    assert "belongs to another model or adapter" in capsys.readouterr().err
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    assert export(run, tmp_path / "out", "last") == 2
    assert "no such folder" in capsys.readouterr().err
