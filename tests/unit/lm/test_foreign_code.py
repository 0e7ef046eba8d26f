"""A model's folder holds data; code in it runs only where the configuration says so, and pickles never."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import torch

from irltui.config.layers import value_layer
from irltui.config.load import load
from irltui.config.schema import ModelSection
from irltui.config.trust import trust_model
from irltui.errors import ModelError
from irltui.lm.load import load_model, load_tokenizer
from support.tiny import folder, with_code


class Evil:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


@pytest.mark.parametrize("model_type", ["llama", "own"])
def test_code_of_a_model_does_not_run_unless_the_configuration_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model_type: str
) -> None:
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    mark = tmp_path / "mark"
    path = with_code(tmp_path / "model", mark, model_type)
    if model_type == "llama":  # transformers' own class serves
        load_model(ModelSection(name=str(path)))
    else:
        with pytest.raises(ModelError, match="contains custom code") as refused:
            load_model(ModelSection(name=str(path)))
        assert "model.trust_remote_code = true" in refused.value.hint
    load_tokenizer(ModelSection(name=str(path)))
    assert not mark.exists()
    trusting = ModelSection(name=str(path), trust_remote_code=True)
    for load_part in (load_model, load_tokenizer):
        with pytest.raises(ModelError, match="nobody on this machine has said to trust it") as refused:
            load_part(trusting)
        assert "--trust-code" in refused.value.hint
    assert not mark.exists()
    trust_model(str(path), "main")
    load_model(trusting)
    assert mark.exists()


def test_whether_foreign_code_is_trusted_is_recorded_with_where_that_was_said() -> None:
    given = [value_layer("--model", ("model", "name"), "m"), value_layer("--data", ("data", "source"), "d")]
    assert load("irft", flags=given).config.model_dump(mode="json")["model"]["trust_remote_code"] is False
    loaded = load("irft", ["model.trust_remote_code=true"], flags=given)
    assert loaded.config.model_dump(mode="json")["model"]["trust_remote_code"] is True
    assert loaded.origins["model.trust_remote_code"] == "--set model.trust_remote_code=true"


def test_no_pickle_in_a_models_folder_is_opened(tmp_path: Path) -> None:
    model, mark = folder(tmp_path / "model"), tmp_path / "mark"
    (model / "model.safetensors").unlink()
    for name in ("pytorch_model.bin", "training_args.bin", "optimizer.pt"):
        (model / name).write_bytes(pickle.dumps(Evil(mark)))
    torch.save({"x": Evil(mark)}, model / "pytorch_model.bin")
    with pytest.raises(ModelError, match="cannot load the model"):
        load_model(ModelSection(name=str(model)))
    assert not mark.exists()


def test_an_attention_kernel_that_config_json_names_is_neither_fetched_nor_run(tmp_path: Path) -> None:
    model = folder(tmp_path / "model")
    values = json.loads((model / "config.json").read_text())
    for key in ("attn_implementation", "_attn_implementation"):
        (model / "config.json").write_text(json.dumps({**values, key: "someone/kernel"}))
        with pytest.raises(ModelError, match="would fetch and run the attention kernel someone/kernel"):
            load_model(ModelSection(name=str(model)))
    load_model(ModelSection(name=str(model), attention="sdpa"))
