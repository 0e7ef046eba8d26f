"""A model that cannot be trained as it is is refused when it is loaded, with its own cause and remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BartConfig,
    BartForConditionalGeneration,
    BertConfig,
    BertForMaskedLM,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    Qwen2VLConfig,
)

from irltui.config.schema import AdapterSection, ModelSection
from irltui.errors import ModelError
from irltui.lm.load import add_adapter, empty_model, load_classifier, load_model
from support.tiny import folder, model

Weights = dict[str, Tensor]


def refusal(path: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load_model(ModelSection(name=str(path)))
    return caught.value


def rewritten(path: Path, change: Callable[[Weights], Weights]) -> Path:
    """The tiny model with other weights in its file."""
    folder(path)
    save_file(change(load_file(path / "model.safetensors")), path / "model.safetensors", metadata={"format": "pt"})
    return path


def edit_config(path: Path, **values: object) -> None:
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize(
    ("change", "message", "hint"),
    [
        (lambda w: {f"_orig_mod.{k}": v for k, v in w.items()}, "missing) and hold _orig_mod.lm_head", "torch.compile"),
        (lambda w: {f"module.{k}": v for k, v in w.items()}, "hold module.lm_head", "DistributedDataParallel"),
        (lambda w: {k: v for k, v in w.items() if "layers.1" not in k}, "lack model.layers.1", "num_hidden_layers"),
        (lambda w: {k: v for k, v in w.items() if "lm_head" not in k}, "lack lm_head.weight (1 weight", "tied"),
        (lambda w: {**w, "score.weight": torch.ones(1, 32)}, "hold score.weight", "reward model"),
        (lambda w: {**w, "v_head.summary.weight": torch.ones(1, 32)}, "hold v_head.summary.weight", "reward model"),
        (lambda w: {**w, "model.layers.0.mlp.up_proj.lora_A.weight": torch.ones(1)}, "1 weight unexp", "merge_and_"),
        (
            lambda w: {**w, "model.norm.weight": torch.ones(8)},
            "has shape 8 in the file, but config.json asks for 32",
            "both",
        ),
    ],
    ids=["compile", "ddp", "half the layers", "no head", "classifier", "value head", "adapter", "shape"],
)
def test_weights_that_are_missing_or_left_over_are_named(
    tmp_path: Path, change: Callable[[Weights], Weights], message: str, hint: str
) -> None:
    error = refusal(rewritten(tmp_path / "model", change))
    assert message in error.message
    assert hint in error.hint


def test_a_tied_head_and_the_buffers_of_old_files_need_not_be_accounted_for(tmp_path: Path) -> None:
    GPT2LMHeadModel(GPT2Config(vocab_size=55, n_embd=32, n_layer=2, n_head=4)).save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    assert "lm_head.weight" not in weights
    mask = torch.ones(1, 1, 4, 4, dtype=torch.bool)
    save_file({**weights, "transformer.h.0.attn.bias": mask}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    load_model(ModelSection(name=str(tmp_path)))


def test_the_folder_of_a_reward_is_no_policy(tmp_path: Path) -> None:
    AutoModelForSequenceClassification.from_config(model().config).save_pretrained(tmp_path)
    assert "reward model" in refusal(tmp_path).hint


def test_a_classifiers_trunk_must_be_complete(tmp_path: Path) -> None:
    trunk = AutoModel.from_config(model().config)
    trunk.save_pretrained(tmp_path / "trunk")
    assert load_classifier(ModelSection(name=str(tmp_path / "trunk")), 0)[1] is False  # the head is new
    path = rewritten(tmp_path / "half", lambda w: {k: v for k, v in w.items() if "layers.1" not in k})
    with pytest.raises(ModelError, match=r"lack model.layers.1"):
        load_classifier(ModelSection(name=str(path)), 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_found_before_a_step(tmp_path: Path, value: float) -> None:
    def broken(weights: Weights) -> Weights:
        weights["model.layers.1.mlp.up_proj.weight"][3, 2] = value
        return weights

    error = refusal(rewritten(tmp_path / "model", broken))
    assert "NaN or infinity (model.layers.1.mlp.up_proj.weight)" in error.message


def test_a_model_that_looks_ahead_is_refused(tmp_path: Path) -> None:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
    BertForMaskedLM(BertConfig(vocab_size=55, **sizes)).save_pretrained(tmp_path / "bert")
    assert "BertLMHeadModel looks at later tokens" in refusal(tmp_path / "bert").message
    bart = BartConfig(vocab_size=55, d_model=32, encoder_layers=1, decoder_layers=1, encoder_ffn_dim=32)
    BartForConditionalGeneration(bart).save_pretrained(tmp_path / "bart")
    assert "bart is an encoder-decoder" in refusal(tmp_path / "bart").message


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma2", "gpt_neox", "opt"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_causal_models_of_all_types_are_taken(tmp_path: Path, family: str, dtype: str) -> None:
    load_model(ModelSection(name=str(folder(tmp_path / "model", family)), dtype=dtype))


def test_an_adapter_beside_the_weights_or_alone_is_refused(tmp_path: Path) -> None:
    path = folder(tmp_path / "both")
    base = AutoModelForCausalLM.from_pretrained(path)
    get_peft_model(base, LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path / "adapter")
    assert "a LoRA adapter and no model" in refusal(tmp_path / "adapter").message
    for file in (tmp_path / "adapter").glob("adapter_*"):
        file.rename(path / file.name)
    error = refusal(path)
    assert "a LoRA adapter beside its weights" in error.message
    assert "merge_and_unload" in error.hint


@pytest.mark.parametrize("target", ["embed_tokens", "lm_head"])
def test_adapters_on_tied_embeddings_are_refused_and_on_others_are_not(target: str) -> None:
    section = AdapterSection(kind="lora", rank=2, targets=[target, "q_proj"])
    config = model().config
    config.tie_word_embeddings = True
    with pytest.raises(ModelError, match="tied embeddings"):
        add_adapter(AutoModelForCausalLM.from_config(config), section, 0)
    config.tie_word_embeddings = False
    add_adapter(AutoModelForCausalLM.from_config(config), section, 0)
    config.tie_word_embeddings = True
    add_adapter(AutoModelForCausalLM.from_config(config), AdapterSection(kind="lora", rank=2), 0)


def test_quantised_weights_are_refused_before_they_are_read(tmp_path: Path) -> None:
    path = folder(tmp_path / "model")
    edit_config(path, quantization_config={"quant_method": "gptq", "bits": 4})
    for load in (load_model, empty_model):
        with pytest.raises(ModelError, match=r"quantised \(gptq\)"):
            load(ModelSection(name=str(path)))


def test_a_model_of_images_is_refused_by_what_it_is(tmp_path: Path) -> None:
    Qwen2VLConfig().save_pretrained(tmp_path)
    assert "qwen2_vl reads images" in refusal(tmp_path).message


@pytest.mark.parametrize(
    ("values", "hint"),
    [
        ({"model_type": "from_the_future"}, "Update transformers"),
        (
            {"auto_map": {"AutoConfig": "own.C", "AutoModelForCausalLM": "own.M"}, "model_type": "own"},
            "trust_remote_code",
        ),
    ],
)
def test_what_transformers_does_not_know_says_what_to_do(tmp_path: Path, values: dict[str, object], hint: str) -> None:
    path = folder(tmp_path / "model")
    edit_config(path, **values)
    assert hint in refusal(path).hint


def test_kernels_that_are_not_installed_and_pickles_have_a_remedy(tmp_path: Path) -> None:
    path = folder(tmp_path / "model")
    with pytest.raises(ModelError) as caught:
        load_model(ModelSection(name=str(path), attention="flash_attention_2"))
    assert 'model.attention = "sdpa"' in caught.value.hint
    (path / "model.safetensors").unlink()
    torch.save({}, path / "pytorch_model.bin")
    assert "safetensors alone" in refusal(path).hint


def test_a_large_file_that_git_did_not_fetch_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = folder(tmp_path / "model")
    (path / "model.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n")
    assert refusal(path).hint.startswith("model.safetensors is a Git LFS pointer, not the file itself")


def test_weights_of_a_training_checkpoint_inside_the_folder_are_named(tmp_path: Path) -> None:
    path = folder(tmp_path / "model")
    (path / "checkpoint-100").mkdir()
    (path / "model.safetensors").rename(path / "checkpoint-100" / "model.safetensors")
    assert f"There are weights in {path / 'checkpoint-100'}" in refusal(path).hint


def test_a_family_without_a_classifier_is_no_reward(tmp_path: Path) -> None:
    config = MambaConfig(vocab_size=55, hidden_size=32, num_hidden_layers=1, state_size=4)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    assert AutoConfig.from_pretrained(tmp_path).model_type == "mamba"
    with pytest.raises(ModelError, match="no sequence-classification class for mamba"):
        load_classifier(ModelSection(name=str(tmp_path)), 0)
