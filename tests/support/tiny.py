"""Random transformers folders of a few families, small enough to be made in a test."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoModelForCausalLM, GenerationConfig, PreTrainedTokenizerFast
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

WORDS = [
    "the",
    "a",
    "cat",
    "dog",
    "sun",
    "moon",
    "sees",
    "likes",
    "red",
    "blue",
    "big",
    "small",
    "is",
    "was",
    "on",
    "in",
    "up",
    "down",
    "one",
    "two",
    "three",
    "four",
]
CHAT = (
    "{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] }}"
    "{% if m['role'] == 'assistant' %}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
SPECIAL = ["<|unk|>", "<|pad|>", "<|end|>", "<|bos|>", "<|user|>", "<|assistant|>", "<|system|>", "<|stop|>"]
SIZES: dict[str, dict[str, Any]] = {
    "llama": {"num_key_value_heads": 2, "intermediate_size": 48},
    "qwen2": {"num_key_value_heads": 2, "intermediate_size": 48},
    "mistral": {"num_key_value_heads": 2, "intermediate_size": 48},
    "gemma2": {"num_key_value_heads": 2, "intermediate_size": 48, "head_dim": 8, "sliding_window": 8},
    "gpt_neox": {"intermediate_size": 48},
    "opt": {"ffn_dim": 48, "word_embed_proj_dim": 32, "dropout": 0.1},
}


def tokenizer(*, chat: bool = True, pad: str = "<|pad|>", bos: bool = False) -> PreTrainedTokenizerFast:
    """Word pieces with their leading space, so that decoding loses nothing."""
    words = [*WORDS, *(f" {word}" for word in WORDS), ".", "?", " "]
    vocabulary = {token: i for i, token in enumerate([*SPECIAL, *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="<|unk|>"))
    inner.pre_tokenizer = pre_tokenizers.Split(Regex(r" ?\w+|[^\w\s]|\s"), "isolated")
    inner.decoder = decoders.Fuse()
    if bos:
        inner.post_processor = processors.TemplateProcessing(
            single="<|bos|> $A", special_tokens=[("<|bos|>", vocabulary["<|bos|>"])]
        )
    fast = PreTrainedTokenizerFast(
        tokenizer_object=inner,
        unk_token="<|unk|>",
        pad_token=pad,
        eos_token="<|end|>",
        bos_token="<|bos|>" if bos else None,
        additional_special_tokens=["<|user|>", "<|assistant|>", "<|system|>", "<|stop|>"],
    )
    fast.chat_template = CHAT if chat else None
    return fast


def model(family: str = "llama", *, seed: int = 0, vocabulary: int = 55, scale: float = 0.3) -> Any:
    """A two-layer model in evaluation mode with weights large enough to have opinions."""
    config = CONFIG_MAPPING[family](
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=256,
        initializer_range=scale,
        pad_token_id=1,
        eos_token_id=2,
        bos_token_id=3,
        **SIZES[family],
    )
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(config).eval()


def folder(path: Path, family: str = "llama", *, generation: dict[str, Any] | None = None, **options: Any) -> Path:
    """A transformers folder with model, tokenizer and generation config."""
    tok = tokenizer(**options)
    made = model(family, vocabulary=len(tok))
    made.generation_config = GenerationConfig(eos_token_id=2, pad_token_id=1, **(generation or {}))
    made.save_pretrained(path)
    tok.save_pretrained(path)
    return path


def with_code(path: Path, mark: Path, model_type: str) -> Path:
    """A model that brings its own class."""
    model = folder(path)
    config = json.loads((model / "config.json").read_text())
    config |= {"model_type": model_type, "architectures": ["Own"]}
    config["auto_map"] = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.Own"}
    (model / "config.json").write_text(json.dumps(config))
    (model / "own.py").write_text(
        f"import pathlib\npathlib.Path({str(mark)!r}).touch()\n"
        "from transformers import LlamaConfig, LlamaForCausalLM\n"
        f"class OwnConfig(LlamaConfig):\n    model_type = {model_type!r}\n"
        "class Own(LlamaForCausalLM):\n    config_class = OwnConfig\n"
    )
    return model
