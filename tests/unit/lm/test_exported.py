"""An exported folder is loaded afresh and compared with the policy that was trained."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from irltui.config.schema import ModelSection
from irltui.errors import ExportError
from irltui.lm.companions import copy_companions
from irltui.lm.exported import expected_of, verify
from irltui.lm.load import load_tokenizer
from irltui.lm.policy import LanguageModelPolicy
from support import tiny


@pytest.fixture
def policy() -> LanguageModelPolicy:
    model = tiny.model()
    return LanguageModelPolicy(model, tiny.tokenizer(), frozenset({2, 7}), lambda: model)


def written(path: Path, policy: LanguageModelPolicy, ends: int | list[int]) -> Path:
    policy.model.generation_config.eos_token_id = ends
    policy.model.save_pretrained(path)
    policy.tokenizer.save_pretrained(path)
    return path


def check(path: Path, policy: LanguageModelPolicy) -> None:
    verify(path, expected_of(policy), policy.tokenizer, policy.eos_ids, trust_remote_code=False)


def test_a_faithful_folder_passes(tmp_path: Path, policy: LanguageModelPolicy) -> None:
    check(written(tmp_path, policy, [2, 7]), policy)


def test_an_end_that_generate_does_not_know_is_found(tmp_path: Path, policy: LanguageModelPolicy) -> None:
    with pytest.raises(ExportError, match="does not stop at token 7"):
        check(written(tmp_path, policy, 2), policy)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_weights_are_found(tmp_path: Path, policy: LanguageModelPolicy, dtype: torch.dtype) -> None:
    policy.model.to(dtype)
    path = written(tmp_path, policy, [2, 7])
    check(path, policy)
    weights = load_file(path / "model.safetensors")
    weights["model.layers.1.mlp.up_proj.weight"] *= 1.5
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match="its logits differ") as failed:
        check(path, policy)
    assert "checkpoints are kept" in failed.value.hint
    del weights["model.norm.weight"]
    save_file(weights, path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ExportError, match=r"lack model.norm.weight"):
        check(path, policy)


def test_a_tokenizer_that_reads_otherwise_is_found(tmp_path: Path, policy: LanguageModelPolicy) -> None:
    path = written(tmp_path, policy, [2, 7])
    file = path / "tokenizer.json"
    other = {"type": "Replace", "pattern": {"String": " the"}, "content": " a"}
    file.write_text(json.dumps({**json.loads(file.read_text()), "normalizer": other}))
    with pytest.raises(ExportError, match="other ids"):
        check(path, policy)


@pytest.mark.usefixtures("trust_code")
def test_files_of_the_source_go_along_and_nothing_is_overwritten(tmp_path: Path) -> None:
    source, out = tiny.folder(tmp_path / "source"), tmp_path / "out"
    names = {"preprocessor_config.json", "processor_config.json", "tokenizer.model", "merges.txt", "LICENSE"}
    for name in {*names, "own.py", "optimizer.pt", "README.md", "chat_template.json"}:
        (source / name).write_text("{}")
    (source / "additional_chat_templates").mkdir()
    (source / "additional_chat_templates" / "tools.jinja").write_text("")
    load_tokenizer(ModelSection(name=str(source))).save_pretrained(out)
    (out / "tokenizer.json").write_text("ours")
    copy_companions(ModelSection(name=str(source)), out, templates=True)
    assert (out / "tokenizer.json").read_text() == "ours"
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert names | {"chat_template.json", "additional_chat_templates/tools.jinja"} <= found
    assert not found & {"own.py", "optimizer.pt", "README.md", "model.safetensors"}
    copy_companions(ModelSection(name=str(source), trust_remote_code=True), out, templates=True)
    assert (out / "own.py").exists()
