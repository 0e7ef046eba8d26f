"""The result of a run, loaded for use: policy, tokenisation and reward, built as in training.

Only reads the run folder. Computes in float32, so that a score does not depend on its batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState

from irltui.api import Prompt, Reward
from irltui.config.load import recorded
from irltui.config.schema import ModelSection, RunConfig
from irltui.data.template import PromptTemplate, eos_ids
from irltui.engine.assemble import Assembly, assemble, assemble_at_start
from irltui.engine.checkpoint import load_weights
from irltui.errors import ModelError, RunFolderError
from irltui.lm.load import generation_defaults, load_model, load_tokenizer, with_adapter
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.rewards.build import check_same_tokens
from irltui.rewards.implicit import ImplicitReward
from irltui.rewards.scoring import RewardScore, score_rewards
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest

_FOR_SCORING = {"dtype": "float32", "gradient_checkpointing": False}


@dataclass(frozen=True)
class Learned:
    """A run's result; `parts` are built over RUN/model. The reward is loaded when first needed."""

    run: RunFolder
    parts: Assembly
    template: PromptTemplate

    def rewards(
        self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], *, batch: int
    ) -> list[RewardScore]:
        """R(x, y) of each response and its tokens, in order; `batch` responses per forward pass."""
        reward, policy, reference = self._reward, self.parts.policy, None
        if reads_start(self.parts.config):
            with policy.initial() as initial:
                reference = score_all(initial, prompts, responses, batch=batch)
        return score_rewards(reward, policy, prompts, responses, reference, batch=batch)

    @cached_property
    def _reward(self) -> Reward:
        run, config = self.run, self.parts.config
        if not config.has_reward:
            return ImplicitReward(self.parts.policy, 1.0)
        if run.reward.is_dir():
            return self.parts.exported_reward(run.reward)
        reward = self.parts.reward
        if reward is None or (config.reward.learns and not config.reward.implicit):
            hint = "Finish the run (irltui run --resume); a plugin's reward must write something in `export`."
            raise RunFolderError(f"{run.path}: its reward is missing (no reward/)", hint)
        return reward


def reads_start(config: RunConfig) -> bool:
    """Whether the reward needs pi_0; the reward of a run that learned none is log pi - log pi_0."""
    return not config.has_reward or config.reward.needs_reference


def load_learned(run: RunFolder, config: RunConfig | None = None, *, beside_start: bool = False) -> Learned:
    """Load the result of a finished run, with its configuration or with `config`.

    If pi_0 is needed beside it, an adapter stays separate, so that one model serves both.
    """
    if not run.model.is_dir():
        raise RunFolderError(f"{run.path}: no result yet (model/ is missing)", "Finish it: irltui run --resume.")
    manifest = read_manifest(run)
    config = config or recorded(manifest.config)
    section = config.model.model_copy(
        update={"name": str(run.model), "revision": "main", "quantization": "off", **_FOR_SCORING}
    )
    tokenizer, ends, template = _reading(config, section, manifest.created)
    load_start = cache(partial(_load_start, config.model.model_copy(update=_FOR_SCORING), tokenizer))
    if beside_start and config.adapter.kind == "lora" and config.model.quantization == "off" and run.adapter.is_dir():
        model = _placed(with_adapter(load_start(), run.adapter), section)
    else:
        model = _placed(load_model(section), section)
    return Learned(run, assemble(config, LanguageModelPolicy(model, tokenizer, ends, load_start)), template)


def load_model_of(config: RunConfig) -> tuple[Assembly, PromptTemplate]:
    """The parts of a configuration over its model, which does not train, and its prompt template."""
    section = config.model.model_copy(update=_FOR_SCORING)
    tokenizer, ends, template = _reading(config, section, None)
    model = _placed(load_model(section), section)
    policy = LanguageModelPolicy(model, tokenizer, ends, partial(load_model, section))
    return assemble(config, policy), template


def load_checkpoint(config: RunConfig, folder: Path) -> Assembly:
    """The parts as training had them at a checkpoint or failed step, ready to train.

    Raises:
        ModelError: the model that the run began with cannot be loaded.
        CheckpointError: the folder belongs to another model.
        OSError: it cannot be read.
    """
    try:
        parts = assemble_at_start(config)
    except ModelError as error:
        hint = "A checkpoint contains only what was trained, so it needs the model that the run started from."
        raise ModelError(error.message, hint) from error
    load_weights(folder, parts.policy.trained(), parts.reward)
    return parts


def _reading(
    config: RunConfig, section: ModelSection, begun: float | None
) -> tuple[Any, frozenset[int], PromptTemplate]:
    """Tokenizer, ids that end a response, and prompt template; `begun` as for `load_tokenizer`."""
    tokenizer = load_tokenizer(section, begun)
    ends = eos_ids(tokenizer, generation_defaults(section).eos_token_id, config.data.template)
    return tokenizer, ends, PromptTemplate(tokenizer, ends, config.data.template, config.data.system)


def _load_start(section: ModelSection, tokenizer: Any) -> Any:
    """pi_0, for rewards that need a reference and for decoding.strength."""
    try:
        check_same_tokens(load_tokenizer(section), tokenizer, f"model.name: {section.name}")
        return _placed(load_model(section), section)
    except ModelError as error:
        hint = "A log-ratio is measured against pi_0, so it needs the model that the run started from."
        raise ModelError(error.message, hint) from error


def _placed(model: Any, section: ModelSection) -> Any:
    model.requires_grad_(requires_grad=False)
    if section.quantization == "off":
        model.to(PartialState().device or torch.device("cpu"))
    return model
