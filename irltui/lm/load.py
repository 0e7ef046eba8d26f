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
from irltui.config.trust import is_trusted, refuse_untrusted_model
from irltui.errors import ModelError, is_panic
from irltui.lm.dates import fix_date
from irltui.lm.hub_access import use_cache_if_unreachable
from irltui.lm.kernels import require_liger, use_liger
from irltui.lm.probe import check_causal
from irltui.lm.quantized import load_options, require_4bit
from irltui.lm.unsupported import cannot_load, refuse_as_classifier, refuse_unsupported
from irltui.lm.weights import check_accounted, check_finite
from irltui.runs.folder import is_run
from irltui.runs.seal import SEAL, damage_of, is_sealed

# Loaders of foreign formats raise errors of many types.
LOADING_ERRORS = (OSError, ValueError, KeyError, TypeError, RuntimeError, ImportError, AttributeError, SafetensorError)
_MERGE = (
    "Merge it first: PeftModel.from_pretrained(base, FOLDER).merge_and_unload().save_pretrained(NEW). To leave it out, "
    "move adapter_config.json and adapter_model.safetensors away."
)


def quiet_transformers() -> None:
    """Keep transformers' progress bars and notices off the console."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    hub_logging.set_verbosity_error()  # an unreachable hub is reported once, not at every attempt
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")


def model_source(section: ModelSection) -> str:
    """The hub name or folder to load from; a run's folder stands for its result.

    Raises:
        ModelError: a folder that holds no model, a path that does not exist, or code that the user has not trusted.
    """
    if section.trust_remote_code:
        refuse_untrusted_model(section.name, section.revision)
    if section.name in quickstart.MODELS:
        return str(quickstart.MODELS[section.name])
    path = Path(section.name).expanduser()
    if not path.exists():
        if section.name.startswith((".", "/", "~")) or section.name.count("/") > 1:
            raise ModelError(
                f"model.name: {section.name}: no such folder",
                "Give a folder with a transformers model, or a hub name.",
            )
        use_cache_if_unreachable()
        return section.name
    if (path / "run.json").is_file():
        path = path / "model"
    if (path / "adapter_config.json").is_file():
        beside = "beside its weights" if (path / "config.json").is_file() else "and no model"
        raise ModelError(
            f"model.name: {section.name}: the folder holds a LoRA adapter {beside} (adapter_config.json)", _MERGE
        )
    if not (path / "config.json").is_file():
        raise ModelError(
            f"model.name: {section.name}: no model here ({path.name}/config.json is missing)",
            "Give the folder that save_pretrained wrote: config.json, safetensors and tokenizer.",
        )
    return str(path)


def load_tokenizer(section: ModelSection, begun: float | None = None) -> Any:
    """The model's tokenizer, whose templates take `begun` for now, None for the present."""
    source = model_source(section)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            source, revision=section.revision, trust_remote_code=section.trust_remote_code
        )
    except BaseException as error:  # tokenizers raises plain exceptions, and panics
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise cannot_load("tokenizer", section, error) from error
    if begun is not None:
        fix_date(tokenizer, begun)
    return tokenizer


def generation_defaults(section: ModelSection) -> GenerationConfig:
    """The model's generation_config.json, or transformers' defaults if it has none."""
    try:
        return GenerationConfig.from_pretrained(model_source(section), revision=section.revision)
    except OSError:
        return GenerationConfig()


def model_config(section: ModelSection) -> Any:
    """The model's configuration."""
    try:
        config = AutoConfig.from_pretrained(
            model_source(section), revision=section.revision, trust_remote_code=section.trust_remote_code
        )
    except LOADING_ERRORS as error:
        raise cannot_load("configuration", section, error) from error
    if section.attention == "auto":
        _refuse_hub_kernel(section.name, config)
    return config


def _refuse_hub_kernel(name: str, config: Any) -> None:
    """Transformers fetches an attention kernel that config.json names, and runs it."""
    for each in (config, config.get_text_config()):
        kernel = str(getattr(each, "_attn_implementation", ""))
        if "/" in kernel and not is_trusted(f"hub:{kernel}"):
            raise ModelError(
                f"model.name: {name}: its config.json would fetch and run the attention kernel {kernel}",
                'Set model.attention = "sdpa"; or, if you trust that code, give the command again with --trust-code.',
            )


def check_kernels(section: ModelSection) -> None:
    """Refuse kernels and 4-bit weights that cannot be had, before anything large is loaded.

    Raises:
        ConfigError: there is no CUDA device, no such package, or liger does not know this family.
        ModelError: the model's configuration cannot be had.
    """
    if section.quantization == "4bit":
        require_4bit()
    if section.kernels == "liger":
        require_liger(model_config(section).model_type)


def load_model(section: ModelSection) -> Any:
    """The causal language model in evaluation mode, on the CPU, in `section.dtype`, from safetensors only.

    Raises:
        ModelError: none to be had, it is no causal language model, its files do not hold exactly its weights, or a
            weight is not finite.
    """
    config = model_config(section)
    refuse_unsupported(section, config)
    model, report = _load(AutoModelForCausalLM, section, config)
    _refuse_adapter(section, model)
    if model.get_output_embeddings() is None:
        raise ModelError(f"model.name: {section.name}: {type(model).__name__} has no output layer over a vocabulary")
    model.eval()
    check_finite(section.name, model)
    check_causal(section.name, model)
    check_accounted(section.name, model, report)
    return _with_kernels(model, section)


def load_again(section: ModelSection) -> Any:
    """A model that `load_model` has checked before; nothing has been computed with it yet."""
    return _load(AutoModelForCausalLM, section, model_config(section))[0].eval()


def with_adapter(base: Any, adapter: Path) -> Any:
    """A trained adapter, a peft folder, around the model that it was trained on; it can be switched off again.

    Raises:
        ModelError: the adapter is not the one that was trained.
    """
    from peft import PeftModel

    _refuse_damaged(adapter)
    return PeftModel.from_pretrained(base, str(adapter)).eval()


def empty_model(section: ModelSection) -> Any:
    """The causal language model without weights, from its config.json alone: as large as it may be, it costs nothing.

    Raises:
        ModelError: none to be had, or it is no causal language model.
    """
    config = model_config(section)
    refuse_unsupported(section, config)
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=section.trust_remote_code)
    except LOADING_ERRORS as error:
        raise cannot_load("configuration", section, error) from error


def load_classifier(section: ModelSection, seed: int) -> tuple[Any, bool]:
    """The model with a head of one number, like `load_model`; a head that its folder lacks is drawn from the seed.

    Returns:
        The transformers sequence-classification model, and whether its head was found with the weights.

    Raises:
        ModelError: none to be had, the family has no such class, or the weights hold a head of other width.
    """
    config = model_config(section)
    refuse_as_classifier(section, config)
    config.num_labels = 1
    torch.manual_seed(seed)
    model, report = _load(AutoModelForSequenceClassification, section, config)
    _refuse_adapter(section, model)
    trunk = {f"{model.base_model_prefix}.{name}" for name, _ in model.base_model.named_parameters()}
    missing = set(report["missing_keys"])
    inside = {key for key in report["unexpected_keys"] if key.startswith(f"{model.base_model_prefix}.")}
    check_accounted(section.name, model, {**report, "missing_keys": missing & trunk, "unexpected_keys": inside})
    check_finite(section.name, model)
    return _with_kernels(model.eval(), section), not missing


def load_judge(section: ModelSection) -> tuple[Any, Any]:
    """A trained sequence-classification model in evaluation mode, on the CPU, and its tokenizer.

    Raises:
        ModelError: none to be had, or its weights hold no head.
    """
    tokenizer = load_tokenizer(section)
    model, report = _load(AutoModelForSequenceClassification, section, model_config(section))
    check_finite(section.name, model)
    if missing := sorted(report["missing_keys"]):
        raise ModelError(
            f"model.name: {section.name}: the weights lack {missing[0]}: no trained sequence classifier",
            "Give a model that was trained to classify or to score, such as a reward model.",
        )
    return model.eval().requires_grad_(requires_grad=False), tokenizer


def _load(kind: Any, section: ModelSection, config: Any) -> tuple[Any, dict[str, Any]]:
    """The model, and which weights were missing, unexpected or of another shape."""
    check_kernels(section)
    _refuse_damaged(Path(model_source(section)))
    attention: dict[str, str] = {} if section.attention == "auto" else {"attn_implementation": section.attention}
    try:
        return kind.from_pretrained(
            model_source(section),
            config=config,
            revision=section.revision,
            dtype=getattr(torch, section.dtype),
            trust_remote_code=section.trust_remote_code,
            use_safetensors=True,
            ignore_mismatched_sizes=True,  # they are an error, and the report names them
            output_loading_info=True,
            **attention,
            **load_options(section),
        )
    except LOADING_ERRORS as error:
        raise cannot_load("model", section, error) from error


def _refuse_damaged(folder: Path) -> None:
    """The result of a run has a seal: what does not fit it is not the model that was trained."""
    for name, reason in damage_of(folder).items() if is_sealed(folder) or is_run(folder.parent) else ():
        raise ModelError(
            f"model.name: {folder / name}: {reason}",
            f"Put the file back, or export the run again. If you changed it yourself, delete {SEAL} beside it.",
        )


def _with_kernels(model: Any, section: ModelSection) -> Any:
    if section.kernels == "liger":
        use_liger(model)
    return model


def _refuse_adapter(section: ModelSection, model: Any) -> None:
    """Refuse a folder with an adapter, which from_pretrained would silently load."""
    if hasattr(model, "peft_config"):
        raise ModelError(f"model.name: {section.name}: holds a LoRA adapter (adapter_config.json)", _MERGE)


def checkpoint_activations(model: Any) -> None:
    """Recompute activations in the backward pass: less memory, more time."""
    model.gradient_checkpointing_enable()
    for module in model.modules():
        # transformers checkpoints in training mode alone; the layers inside stay in evaluation mode.
        module.training = hasattr(module, "gradient_checkpointing")
    if hasattr(model, "enable_input_require_grads"):
        model.enable_input_require_grads()  # adapters alone would leave the checkpoints without a gradient


def decoder_layers(model: Any) -> list[nn.Module]:
    """The blocks of a transformers model, lowest first."""
    wanted = model.config.get_text_config().num_hidden_layers
    for module in model.modules():
        if isinstance(module, nn.ModuleList) and len(module) == wanted:
            return list(module)
    raise ModelError(
        f"the layers of {type(model).__name__} cannot be identified",
        "Leave reward.freeze and model.shard off with this model.",
    )


def add_adapter(model: Any, section: AdapterSection, seed: int, task: str = "CAUSAL_LM") -> Any:
    """Wrap the model with fresh LoRA adapters; the base weights freeze, a classifier's head does not.

    Raises:
        ModelError: peft finds no module to adapt, or a target shares its weight with another layer.
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
        adapted = get_peft_model(model, config).eval()
    except ValueError as error:
        raise ModelError(
            f"adapter.targets: {error}", 'Name modules of this model, or use targets = "all-linear".'
        ) from error
    _refuse_tied_targets(adapted)
    return adapted


def _refuse_tied_targets(adapted: Any) -> None:
    """Refuse an adapter on one of two layers with a tied weight: merging would change the other, too."""
    owners: dict[int, list[str]] = {}
    for name, module in adapted.named_modules():
        for parameter in module.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    for name, module in adapted.named_modules():
        if hasattr(module, "get_delta_weight") and len(sharing := owners[id(module.get_base_layer().weight)]) > 1:
            shared = next(other for other in sharing if not other.startswith(name))
            raise ModelError(
                f"adapter.targets: {name.rpartition('.')[2]} shares its weight with {shared.rpartition('.')[2]} "
                "(tied embeddings), so an adapter on it cannot be merged",
                'Leave both out of adapter.targets; "all-linear" does.',
            )
