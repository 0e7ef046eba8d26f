"""Build an explicit reward from its options, on the policy's device, with the policy's vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from irltui.api import BuildContext
from irltui.config.schema import AdapterSection, ModelSection
from irltui.distributed.load_once import read_by_first
from irltui.errors import ModelError
from irltui.lm.load import checkpoint_activations, decoder_layers, load_tokenizer
from irltui.lm.policy import language_model
from irltui.lm.scorer import Scorer, freeze_lowest, load_scorer
from irltui.rewards.explicit import ExplicitReward

if TYPE_CHECKING:
    from irltui.rewards import Explicit

POLICY = "policy"


def build_explicit(spec: Explicit, context: BuildContext) -> ExplicitReward:
    """The reward of a run.

    Raises:
        ModelError: the network cannot be loaded, or its tokenizer is not the policy's.
        TypeError: the policy is not a transformers model.
    """
    policy = language_model(context.policy)
    section = model_section(spec.model, context.model)
    if spec.model != POLICY:
        check_same_tokens(load_tokenizer(section), policy.tokenizer, f"reward.model: {spec.model}")
    kind = "lora" if spec.lora_rank else "off"
    adapter = AdapterSection(kind=kind, rank=max(1, spec.lora_rank), alpha=spec.lora_alpha)

    def load() -> Any:
        model = load_scorer(section, adapter, context.seed).model
        frozen = spec.frozen(len(decoder_layers(model))) if spec.freeze else 0
        if frozen:
            freeze_lowest(model, frozen)
        return model

    model = load().to(policy.device) if policy.sharding is None else read_by_first(load)
    if section.gradient_checkpointing:
        checkpoint_activations(model)
    return ExplicitReward(
        Scorer(model, autocast=policy.autocast, sharding=policy.sharding),
        policy,
        bound=spec.bound,
        center=spec.center,
        l2=spec.l2,
        restarts=spec.init == "restart",
    )


def load_explicit(folder: Path, context: BuildContext) -> ExplicitReward:
    """The reward that a run exported to `folder`, in float32 and with the bound it was trained with.

    Raises:
        ModelError: it cannot be loaded, or its tokenizer is not the policy's.
        TypeError: the policy is not a transformers model.
    """
    policy = language_model(context.policy)
    section = ModelSection(name=str(folder))
    check_same_tokens(load_tokenizer(section), policy.tokenizer, str(folder))
    scorer = load_scorer(section, AdapterSection(), context.seed)
    scorer.model.requires_grad_(requires_grad=False).to(policy.device)
    return ExplicitReward(scorer, policy, bound=float(getattr(scorer.model.config, "irltui_bound", 0.0)))


def check_same_tokens(ours: Any, theirs: Any, what: str) -> None:
    """Refuse a tokenizer with other ids: the reward would silently score nonsense."""
    if ours.get_vocab() != theirs.get_vocab():
        first = next((token for token, i in theirs.get_vocab().items() if ours.get_vocab().get(token) != i), "?")
        raise ModelError(
            f"{what}: its tokenizer is not the policy's ({len(ours)} and {len(theirs)} tokens; {first!r} has "
            "different ids)",
            "A reward reads the policy's token ids: use a model of the same family, or from the same run.",
        )


def model_section(name: str, model: ModelSection | None) -> ModelSection:
    """The section of a reward's own model: "policy" is the one that the policy began as."""
    if model is None:
        return ModelSection(name=name)
    model = model.model_copy(update={"quantization": "off"})  # a reward's own weights train
    if name == POLICY:
        return model
    return model.model_copy(update={"name": name, "revision": "main"})
