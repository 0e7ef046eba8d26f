"""Model and tokenizer from a hub or a folder, with errors that say what to do. Decides nothing about training."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import logging as hub_logging
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    GenerationConfig,
)
from transformers.utils import logging as transformers_logging

from irltui import quickstart
from irltui.config.schema import AdapterSection, ModelSection
from irltui.errors import ModelError
from irltui.lm.kernels import require_liger, use_liger

# Loaders of other people's formats raise whatever they like.
_LOADING = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, AttributeError, SafetensorError)


def quiet_transformers() -> None:
    """Keep progress bars and notices out of the engine's console: what matters becomes an event."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    hub_logging.set_verbosity_error()  # a hub out of reach is told once, not at every try
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


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


def model_config(section: ModelSection) -> Any:
    """The model's configuration.

    Raises:
        ModelError: none to be had.
    """
    try:
        return _config(section)
    except _LOADING as error:
        raise _cannot_load("configuration", section, error) from error


def check_kernels(section: ModelSection) -> None:
    """Refuse kernels that cannot be had, before anything large is loaded.

    Raises:
        ConfigError: there is no CUDA device, no such package, or it does not know this family.
        ModelError: the model's configuration cannot be had.
    """
    if section.kernels == "liger":
        require_liger(model_config(section).model_type)


def load_model(section: ModelSection) -> Any:
    """The causal language model in evaluation mode, on the CPU, in `section.dtype`, from safetensors only.

    Raises:
        ModelError: none to be had, or it is no causal language model.
    """
    model = _load(AutoModelForCausalLM, section)
    if model.get_output_embeddings() is None:
        raise ModelError(f"model.name: {section.name}: {type(model).__name__} has no output layer over a vocabulary")
    return model.eval()


def empty_model(section: ModelSection) -> Any:
    """The causal language model without weights, from its config.json alone: as large as it may be, it costs nothing.

    Raises:
        ModelError: none to be had, or it is no causal language model.
    """
    try:
        config = _config(section)
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=section.trust_remote_code)
    except _LOADING as error:
        raise _cannot_load("configuration", section, error) from error


def load_classifier(section: ModelSection, seed: int) -> tuple[Any, bool]:
    """The model with a head of one number, like `load_model`; a head that its folder lacks is drawn from the seed.

    Returns:
        The transformers sequence-classification model, and whether its head was found with the weights.

    Raises:
        ModelError: none to be had, the family has no such class, or the weights hold a head of other width.
    """
    torch.manual_seed(seed)
    model, report = _load(AutoModelForSequenceClassification, section, num_labels=1, output_loading_info=True)
    trunk = {f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()}
    missing = set(report["missing_keys"])
    if lacking := sorted(missing & trunk):
        raise ModelError(f"model.name: {section.name}: the weights lack {lacking[0]}", "Is the folder complete?")
    return model.eval(), not missing


def load_judge(section: ModelSection) -> tuple[Any, Any]:
    """A trained sequence-classification model in evaluation mode, on the CPU, and its tokenizer.

    Raises:
        ModelError: none to be had, or its weights hold no head.
    """
    tokenizer = load_tokenizer(section)
    model, report = _load(AutoModelForSequenceClassification, section, output_loading_info=True)
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"model.name: {section.name}: the weights lack {missing[0]}: no trained sequence classifier",
            "Give a model that was trained to classify or to score, such as a reward model.",
        )
    return model.eval().requires_grad_(requires_grad=False), tokenizer


def _load(kind: Any, section: ModelSection, *, num_labels: int | None = None, **options: Any) -> Any:
    check_kernels(section)
    if section.attention != "auto":
        options["attn_implementation"] = section.attention
    try:
        config = _config(section)
        if num_labels is not None:
            config.num_labels = num_labels
        loaded = kind.from_pretrained(
            model_source(section),
            config=config,
            revision=section.revision,
            dtype=getattr(torch, section.dtype),
            trust_remote_code=section.trust_remote_code,
            use_safetensors=True,
            **options,
        )
    except _LOADING as error:
        raise _cannot_load("model", section, error) from error
    if section.kernels == "liger":
        use_liger(loaded[0] if isinstance(loaded, tuple) else loaded)
    return loaded


def _config(section: ModelSection) -> Any:
    return AutoConfig.from_pretrained(
        model_source(section), revision=section.revision, trust_remote_code=section.trust_remote_code
    )


def checkpoint_activations(model: Any) -> None:
    """Keep no activations for the backward pass: time for memory."""
    model.gradient_checkpointing_enable()
    for module in model.modules():
        # transformers checkpoints in training mode alone; the layers inside stay in evaluation mode.
        module.training = hasattr(module, "gradient_checkpointing")
    if hasattr(model, "enable_input_require_grads"):
        model.enable_input_require_grads()  # adapters alone would leave the checkpoints without a gradient


def decoder_layers(model: Any) -> list[nn.Module]:
    """The blocks of a transformers model, lowest first.

    Raises:
        ModelError: they cannot be told apart.
    """
    wanted = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return list(module)
    raise ModelError(
        f"the layers of {type(model).__name__} cannot be told apart",
        "Leave reward.freeze and model.shard off with this model.",
    )


def add_adapter(model: Any, section: AdapterSection, seed: int, task: str = "CAUSAL_LM") -> Any:
    """Wrap the model with fresh LoRA adapters; the base weights freeze, a classifier's head does not.

    Raises:
        ModelError: peft finds no module to adapt.
    """
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)  # peft draws the adapters from the global stream
    targets = None if section.targets == "auto" else section.targets
    try:
        config = LoraConfig(
            task_type=task,
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
