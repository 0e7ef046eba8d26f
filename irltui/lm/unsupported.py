"""Models that cannot be trained, known by their config.json before any weight is read; causes of loading errors."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import transformers
from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING

from irltui.config.schema import ModelSection
from irltui.errors import ModelError
from irltui.lm.hub_access import use_cache_if_unreachable

_TEXT_ONLY = "irltui trains decoder-only language models on text."


def refuse_unsupported(section: ModelSection, config: Any) -> None:
    """Refuse what no causal language model can be made of, by its transformers configuration.

    Raises:
        ModelError: it is quantised, has an encoder, or transformers has no causal class for it.
    """
    where, family = f"model.name: {section.name}", config.model_type
    _refuse_quantised(section, config)
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(f"{where}: {family} is an encoder-decoder", f"{_TEXT_ONLY} Name a decoder-only model.")
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING or _brings_class(section, config, "AutoModelForCausalLM"):
        return
    if _brings_class(section.model_copy(update={"trust_remote_code": True}), config, "AutoModelForCausalLM"):
        raise ModelError(
            f"{where}: the class of this model is Python code in its folder, which does not run unless you say so",
            "If you trust that code, set model.trust_remote_code = true.",
        )
    if any(hasattr(config, part) for part in ("vision_config", "audio_config")):
        raise ModelError(
            f"{where}: {family} reads images or sound, and transformers has no text-only class for it",
            f"{_TEXT_ONLY} Name a text model of the same family.",
        )
    raise ModelError(
        f"{where}: transformers {transformers.__version__} has no causal language model of type {family}",
        f"{_TEXT_ONLY} Name such a model.",
    )


def refuse_as_classifier(section: ModelSection, config: Any) -> None:
    """Refuse a reward network that transformers has no sequence-classification class for."""
    if type(config) in MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING:
        return
    if _brings_class(section, config, "AutoModelForSequenceClassification"):
        return
    raise ModelError(
        f"reward.model: {section.name}: transformers has no sequence-classification class for {config.model_type}, "
        "and rft needs a reward network of its own",
        'Use algorithm = "irft", whose reward is the policy itself; or name in reward.model a model with the same '
        "tokenizer from a family that has such a class (Llama, Qwen, Gemma, Mistral ...).",
    )


def cannot_load(what: str, section: ModelSection, error: BaseException) -> ModelError:
    """A loading error with the remedy for its cause."""
    reason = (str(error).strip() or repr(error)).splitlines()[0]
    message = f"model.name: {section.name}: cannot load the {what}: {reason}"
    return ModelError(message, _remedy(str(error), section))


def _refuse_quantised(section: ModelSection, config: Any) -> None:
    quantised = getattr(config, "quantization_config", None)
    if not quantised:
        return
    values = quantised if isinstance(quantised, dict) else quantised.to_dict()
    method = getattr(values.get("quant_method", "unknown"), "value", values.get("quant_method", "unknown"))
    raise ModelError(
        f"model.name: {section.name}: the weights are quantised ({method}), so they cannot be trained",
        'Name the model that it was made from; with adapters, model.quantization = "4bit" loads that in 4 bits.',
    )


def _brings_class(section: ModelSection, config: Any, kind: str) -> bool:
    return section.trust_remote_code and kind in (getattr(config, "auto_map", None) or {})


_UPDATE = (
    "Update transformers (this is {version}); or, if the model brings its own code and you trust it, set "
    "model.trust_remote_code = true."
)
_PACKAGE = r"mamba.?ssm|causal.?conv1d|pip install|[Nn]o module named|is not installed|found in your environment"
_REMEDIES = (
    (
        r"can't allocate memory|out of memory|not enough memory|Cannot allocate memory",
        'Memory ran out while the model was loaded: take model.dtype = "bfloat16" or a smaller model, or more memory.',
    ),
    (
        r"trust_remote_code",
        "The folder brings Python code of its own. If you trust that code, set model.trust_remote_code = true.",
    ),
    (
        r"does not recognize this architecture|has model type `[^`]*` but",
        _UPDATE.format(version=transformers.__version__),
    ),
    (
        r"(?i)flash.?attn|flash.?attention",
        'Install flash-attn (pip install flash-attn --no-build-isolation), or set model.attention = "sdpa".',
    ),
    (r"scaled_dot_product_attention|attn_implementation|attention implementation", 'Set model.attention = "eager".'),
    (_PACKAGE, "The model needs a package that is not installed here: install what the message names."),
    (
        r"no file named .*safetensors|does not appear to have a file named .*safetensors",
        "irltui reads weights from safetensors alone, because pickled files can run code. Convert them once: "
        "AutoModelForCausalLM.from_pretrained(FOLDER).save_pretrained(NEW).",
    ),
    (r"gated|[Aa]ccess to model|\b40[13]\b", "Accept the model's licence on its page, and log in: hf auth login."),
)


def _is_pointer(file: Path) -> bool:
    """Whether git left its note where a large file belongs."""
    return file.is_file() and file.stat().st_size < 1_000 and file.read_bytes().startswith(b"version https://git-lfs")


def _remedy(text: str, section: ModelSection) -> str:
    folder = Path(section.name).expanduser()
    if pointer := next(filter(_is_pointer, sorted(folder.glob("*"))), None):
        return f"{pointer.name} is a Git LFS pointer, not the file itself: fetch it with git lfs pull."
    inner = sorted(folder.glob("*/*.safetensors"))
    if inner and not list(folder.glob("*.safetensors")):
        return f"There are weights in {inner[0].parent}: name that folder if it holds a whole model."
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, text):
            return remedy
    if folder.exists():
        return "Is the folder complete? It needs config.json, model.safetensors and the tokenizer's files."
    if reason := use_cache_if_unreachable():
        return (
            f"There is no such folder, and the cache has no such model ({reason}). Download it where there is a "
            f"network: hf download {section.name}"
        )
    return "There is no such folder; for a hub name, check the spelling and your access token."
