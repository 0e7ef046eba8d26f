"""Model and tokenizer from a hub or a folder, with errors that say what to do. Decides nothing about training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as transformers_logging

from irltui import quickstart
from irltui.config.schema import AdapterSection, ModelSection
from irltui.errors import ModelError

# Loaders of other people's formats raise whatever they like.
_LOADING = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, AttributeError, SafetensorError)


def quiet_transformers() -> None:
    """Keep progress bars and notices out of the engine's console: what matters becomes an event."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def model_source(section: ModelSection) -> str:
    """The hub name or folder to load from; a run's folder stands for its result.

    Raises:
        ModelError: a folder that holds no model, or a path that does not exist.
    """
    if section.name == quickstart.NAME:
        return str(quickstart.model_folder())
    path = Path(section.name).expanduser()
    if not path.exists():
        if section.name.startswith((".", "/", "~")) or section.name.count("/") > 1:
            raise ModelError(
                f"model.name: {section.name}: no such folder",
                "Give a folder with a transformers model, or a hub name.",
            )
        return section.name
    if (path / "run.json").is_file():
        path = path / "model"
    if not (path / "config.json").is_file():
        raise ModelError(
            f"model.name: {section.name}: no model here ({path.name}/config.json is missing)",
            "Give the folder that save_pretrained wrote: config.json, safetensors and tokenizer.",
        )
    return str(path)


def load_tokenizer(section: ModelSection) -> Any:
    """The model's tokenizer.

    Raises:
        ModelError: none to be had.
    """
    source = model_source(section)
    try:
        return AutoTokenizer.from_pretrained(
            source, revision=section.revision, trust_remote_code=section.trust_remote_code
        )
    except _LOADING as error:
        raise _cannot_load("tokenizer", section, error) from error


def generation_defaults(section: ModelSection) -> GenerationConfig:
    """The model's generation_config.json, or transformers' defaults if it has none."""
    try:
        return GenerationConfig.from_pretrained(model_source(section), revision=section.revision)
    except OSError:
        return GenerationConfig()


def load_model(section: ModelSection) -> Any:
    """The causal language model in evaluation mode, on the CPU, in `section.dtype`, from safetensors only.

    Raises:
        ModelError: none to be had, or it is no causal language model.
    """
    source = model_source(section)
    options: dict[str, Any] = {} if section.attention == "auto" else {"attn_implementation": section.attention}
    try:
        config = AutoConfig.from_pretrained(
            source, revision=section.revision, trust_remote_code=section.trust_remote_code
        )
        model = AutoModelForCausalLM.from_pretrained(
            source,
            config=config,
            revision=section.revision,
            dtype=getattr(torch, section.dtype),
            trust_remote_code=section.trust_remote_code,
            use_safetensors=True,
            **options,
        )
    except _LOADING as error:
        raise _cannot_load("model", section, error) from error
    if model.get_output_embeddings() is None:
        raise ModelError(f"model.name: {section.name}: {type(model).__name__} has no output layer over a vocabulary")
    return model.eval()


def add_adapter(model: Any, section: AdapterSection, seed: int) -> Any:
    """Wrap the model with fresh LoRA adapters; the base weights freeze.

    Raises:
        ModelError: peft finds no module to adapt.
    """
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)  # peft draws the adapters from the global stream
    targets = None if section.targets == "auto" else section.targets
    try:
        config = LoraConfig(
            task_type="CAUSAL_LM",
            r=section.rank,
            lora_alpha=section.alpha,
            lora_dropout=section.dropout,
            target_modules=targets,
        )
        return get_peft_model(model, config).eval()
    except ValueError as error:
        raise ModelError(
            f"adapter.targets: {error}", 'Name modules of this model, or use targets = "all-linear".'
        ) from error


def _cannot_load(what: str, section: ModelSection, error: BaseException) -> ModelError:
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    if Path(section.name).expanduser().exists():
        hint = "Is the folder complete? It needs config.json, model.safetensors and the tokenizer's files."
    else:
        hint = "There is no such folder; for a hub name, check the spelling, the network and your access token."
    return ModelError(f"model.name: {section.name}: cannot load the {what}: {reason}", hint)
