"""`irltui.use export`: the model of one outer iteration, from its checkpoint."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from irltui.config.load import load
from irltui.config.requests import ExportRequest
from irltui.config.schema import ModelSection
from irltui.errors import ModelError
from irltui.lm.load import load_model
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.seal import damage_of
from irltui.use.card import card
from irltui.use.card_facts import Exported, _base, facts
from irltui.use.learned import load_learned
from support.runs import Change, config, demonstrations, finish, rft
from support.tiny import folder
from support.worker import worked


def make(tmp_path: Path, change: Change | None = None) -> RunFolder:
    inputs = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl")
    return finish(tmp_path / "run", config(*inputs, change))


def export(run: RunFolder, out: Path, iteration: str, **options: Any) -> int:
    return worked(ExportRequest(run=run.path, iteration=iteration, out=out, **{"as_json": True, **options}))


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
    for iteration, code, message in (
        ("best", 1, "so none is best"),
        ("1", 1, "after outer iteration 1 (0001-000000): not kept"),
        ("soon", 2, "--iteration soon: no such iteration"),
    ):
        assert export(run, out, iteration) == code
        assert message in capsys.readouterr().err
        assert not out.exists()
    out.mkdir()
    assert export(run, out, "last") == 1
    assert "already exists" in capsys.readouterr().err
    assert export(RunFolder(tmp_path / "nowhere"), tmp_path / "x", "last") == 3


def test_a_damaged_checkpoint_is_never_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path)
    file = run.checkpoints / "0002-000000" / "parameters.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    assert export(run, tmp_path / "out", "2") == 1
    printed = capsys.readouterr().err
    assert "has changed since it was written" in printed
    assert "Kept after outer iterations: 1." in printed
    assert export(run, tmp_path / "last", "last") == 0  # the newest that verifies
    assert '"outer_iterations": 1' in capsys.readouterr().out


def test_the_result_is_exported_as_it_was_written_with_its_own_files_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make(tmp_path)
    (run.model / ".env").write_text("PASSWORD=1")
    (run.model / "draft.md").write_text("do not show")
    assert export(run, tmp_path / "out", "result") == 0
    assert {"model.safetensors", "tokenizer.json", "README.md"} <= files(tmp_path / "out")
    assert not {".env", "draft.md"} & files(tmp_path / "out")
    whole = (run.model / "config.json").read_bytes()
    (run.model / "config.json").write_bytes(whole.replace(b"llama", b"lloma", 1))
    assert export(run, tmp_path / "damaged", "result") == 1
    assert "model/config.json: has changed since it was written" in capsys.readouterr().err
    assert not (tmp_path / "damaged").exists()
    (run.model / "config.json").write_bytes(whole)
    file = run.model / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match=r"model\.safetensors: has changed"):
        load_model(ModelSection(name=str(run.path)))


def test_a_model_that_was_exchanged_is_noticed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path)
    folder(tmp_path / "model", "opt")
    assert export(run, tmp_path / "out", "last") == 1
    assert "belongs to another model or adapter" in capsys.readouterr().err
    (tmp_path / "model").rename(tmp_path / "elsewhere")
    assert export(run, tmp_path / "out", "last") == 2
    assert "no such folder" in capsys.readouterr().err


def files(path: Path) -> set[str]:
    return {str(file.relative_to(path)) for file in path.rglob("*") if file.is_file()}


def front_matter(path: Path) -> dict[str, Any]:
    return yaml.safe_load((path / "README.md").read_text(encoding="utf-8").split("---")[1])


@pytest.mark.parametrize("change", [{"adapter": {"kind": "lora", "rank": 4}}, rft()], ids=["lora", "rft"])
def test_the_result_is_what_the_run_wrote_with_a_card_and_no_pickle(tmp_path: Path, change: Change) -> None:
    run = make(tmp_path, change)
    (run.model / "pytorch_model.bin").write_bytes(b"pickle")
    before = files(run.path)
    out = tmp_path / "out"
    assert export(run, out, "result") == 0
    part = "adapter" if "adapter" in change else "reward"
    assert same(weights(out), weights(run.model))
    assert {file.suffix for file in out.rglob("*")} <= {"", ".json", ".jinja", ".safetensors", ".md"}
    assert files(out / part) == files(getattr(run, part)) - {"README.md"}
    assert {"README.md", "irltui.json"} <= files(out)
    assert files(run.path) == before
    assert [entry.name for entry in tmp_path.iterdir() if entry.name.startswith(".")] == []


def test_an_exported_folder_notices_what_was_changed_later_but_for_its_card(tmp_path: Path) -> None:
    run = make(tmp_path, {"adapter": {"kind": "lora", "rank": 4}})
    out = tmp_path / "out"
    assert export(run, out, "result") == 0
    (out / "README.md").write_text("My own words.")
    (out / "notes.txt").write_text("mine")
    assert damage_of(out) == damage_of(out / "adapter") == {}
    load_model(ModelSection(name=str(out)))
    harmed = bytearray((out / "model.safetensors").read_bytes())
    harmed[-3] ^= 4
    (out / "model.safetensors").write_bytes(harmed)
    with pytest.raises(ModelError, match=r"model\.safetensors: has changed since it was written") as caught:
        load_model(ModelSection(name=str(out)))
    assert "delete irltui.json" in caught.value.hint


def test_an_adapter_or_a_result_that_is_not_what_the_run_wrote_is_not_loaded(tmp_path: Path) -> None:
    run = make(tmp_path, {"adapter": {"kind": "lora", "rank": 4}})
    harmed = bytearray((run.adapter / "adapter_model.safetensors").read_bytes())
    harmed[-3] ^= 4
    (run.adapter / "adapter_model.safetensors").write_bytes(harmed)
    with pytest.raises(ModelError, match=r"adapter_model\.safetensors: has changed since it was written"):
        load_learned(run, beside_start=True)
    (run.model / "irltui.json").unlink()
    with pytest.raises(ModelError, match=r"model/irltui\.json: is missing"):
        load_learned(run)


def test_a_lora_run_is_exported_as_its_adapter_alone_from_result_and_checkpoint_alike(tmp_path: Path) -> None:
    run = make(tmp_path, {"adapter": {"kind": "lora", "rank": 4}})
    for name in ("result", "0002-000000"):
        out = tmp_path / name
        assert export(run, out, name, merge=False) == 0
        assert not (out / "model.safetensors").exists()
        assert same(load_file(out / "adapter_model.safetensors"), load_file(run.adapter / "adapter_model.safetensors"))
        assert front_matter(out)["library_name"] == "peft"
    full = make(tmp_path / "full")
    assert export(full, tmp_path / "none", "result", merge=False) == 1


def test_weights_are_written_in_another_type_on_demand(tmp_path: Path) -> None:
    run = make(tmp_path)
    out = tmp_path / "out"
    assert export(run, out, "result", dtype="bfloat16") == 0
    assert {tensor.dtype for tensor in weights(out).values()} == {torch.bfloat16}
    assert len({file.stat().st_mode for file in out.iterdir()}) == 1  # who may read the card may read the weights
    assert AutoModelForCausalLM.from_pretrained(out).dtype == torch.bfloat16


def test_the_card_is_filled_from_the_run_up_to_the_exported_moment(tmp_path: Path) -> None:
    run = make(tmp_path)
    assert [export(run, tmp_path / name, name) for name in ("result", "1")] == [0, 0]
    cards = [(tmp_path / name / "README.md").read_text(encoding="utf-8") for name in ("result", "1")]
    for text in cards:
        for title in ("Use", "Data", "Method", "Figures", "Limits", "Reproduce"):
            assert f"\n## {title}\n" in text
        assert str(tmp_path) not in text  # folders of the machine are nobody's business
        assert "`demos.jsonl`: 24 rows" in text
        assert "| held-out NLL |" in text
        assert "No benchmark was run" in text
    assert "after 1 outer iterations" in cards[1]
    steps = [int(re.findall(r"optimizer steps \| (\d+)", text)[0]) for text in cards]
    assert steps[1] < steps[0]
    assert "license" not in front_matter(tmp_path / "result")  # the user's to choose
    assert front_matter(tmp_path / "result")["tags"][:2] == ["irltui", "irft"]


def test_the_card_holds_a_configuration_that_loads_and_code_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make(tmp_path)
    out = tmp_path / "out"
    assert export(run, out, "result") == 0
    text = (out / "README.md").read_text(encoding="utf-8")
    (tmp_path / "again.toml").write_text(re.findall(r"````toml\n(.*?)````", text, re.DOTALL)[0], encoding="utf-8")
    assert tomllib.loads((tmp_path / "again.toml").read_text())["loop"]["batch"] == 4
    assert load(str(tmp_path / "again.toml")).config.optimizer.learning_rate == 1e-3
    monkeypatch.chdir(out)
    exec(re.findall(r"```python\n(.*?)```", text, re.DOTALL)[0], {})


def test_a_base_model_and_data_of_a_hub_are_named_and_markup_from_outside_is_not(tmp_path: Path) -> None:
    run = make(tmp_path)
    known = facts(run.model, run, Exported())
    known.run.config["data"]["source"] = "a|b`<script>"
    config = {**known.manifest.config, "data": {"source": "someone/demos"}}
    written = card(replace(known, base="someone/base", manifest=replace(known.manifest, config=config)))
    values = yaml.safe_load(written.split("---")[1])
    assert (values["base_model"], values["datasets"]) == ("someone/base", ["someone/demos"])
    assert "`a|b'<script>`" in written  # a code span


def test_a_run_on_a_run_goes_back_to_the_first_model(tmp_path: Path) -> None:
    first = make(tmp_path)
    second = finish(tmp_path / "second", config(first.path, tmp_path / "demos.jsonl"))
    assert facts(second.model, second, Exported()).base_folder == "model"


def test_a_run_on_the_model_folder_of_a_run_goes_back_to_the_first_model_too(tmp_path: Path) -> None:
    first = create_run_folder(tmp_path / "first")
    write_manifest(first, new_manifest({"model": {"name": "/models/plain"}}, {}))
    first.model.mkdir()
    assert _base({"model": {"name": str(first.model)}}) == ("", "plain")


def test_a_run_without_a_result_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path)
    shutil.rmtree(run.model)
    assert export(run, tmp_path / "out", "result") == 1
    assert "--iteration last" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_export_that_fails_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make(tmp_path)

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("irltui.use.export.write_card", full)
    assert export(run, tmp_path / "deep" / "out", "result") == 1
    assert "No space left" in capsys.readouterr().err
    assert list((tmp_path / "deep").iterdir()) == []


def test_a_chat_template_from_a_file_goes_along(tmp_path: Path) -> None:
    template = tmp_path / "line.jinja"
    template.write_text("{% for m in messages %}{{ m.content }} is {% endfor %}", encoding="utf-8")
    run = make(tmp_path, {"data": {"template": str(template)}})
    out = tmp_path / "out"
    assert export(run, out, "result") == 0
    messages = [{"role": "user", "content": "the cat"}]
    for place in (run.model, out):
        tokenizer = AutoTokenizer.from_pretrained(place)
        assert tokenizer.apply_chat_template(messages, tokenize=False) == "the cat is "
    assert "Chat template: line.jinja." in (out / "README.md").read_text(encoding="utf-8")
