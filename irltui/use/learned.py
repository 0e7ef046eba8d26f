"""What a run learned, loaded for use: its policy, its tokenisation and its reward, built as training built them.

Reads a run folder and never writes there. Computes in float32, so that a score does not depend on the responses
beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import torch
from accelerate import PartialState

from irltui.api import Prompt, Reward
from irltui.config.load import recorded
from irltui.config.schema import ModelSection, RunConfig
from irltui.data.template import PromptTemplate, eos_ids
from irltui.engine.assemble import Assembly, assemble, assemble_at_start
from irltui.engine.checkpoint import load_weights
from irltui.errors import CheckpointError, ModelError, OptionError, RunFolderError
from irltui.lm.load import generation_defaults, load_model, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.rewards import Explicit
from irltui.rewards.build import check_same_tokens, load_explicit
from irltui.rewards.scoring import RewardScore, score_rewards
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest

_FOR_SCORING = {"dtype": "float32", "gradient_checkpointing": False}


@dataclass(frozen=True)
class Learned:
    """A run's result; `parts` are over pi of RUN/model. The reward is loaded when it is first asked for."""

    run: RunFolder
    parts: Assembly
    template: PromptTemplate

    def rewards(
        self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], *, batch: int
    ) -> list[RewardScore]:
        """R(x, y) of each response and of its tokens, in order; `batch` responses per forward pass.

        Raises:
            RunFolderError: the run learned no reward, or it is missing.
            ModelError: the reward or the model that the run began with cannot be loaded, or their tokens differ.
            CheckpointError: the reward of a plugin has no checkpoint to be read from.
        """
        reward, reference = self._reward, None
        if self.parts.config.reward.needs_reference:
            reference = score_all(self._initial, prompts, responses, batch=batch)
        return score_rewards(reward, self.parts.policy, prompts, responses, reference, batch=batch)

    @cached_property
    def _reward(self) -> Reward:
        run, config = self.run, self.parts.config
        if config.has_reward and isinstance(config.reward, Explicit):
            if not run.reward.is_dir():
                hint = "Finish the run: irltui run --resume."
                raise RunFolderError(f"{run.path}: its reward is missing (no reward/)", hint)
            return load_explicit(run.reward, self.parts.context)
        reward = self.parts.reward
        if reward is None:
            raise no_reward(run, config)
        try:
            name = (run.checkpoints / "latest").read_text(encoding="utf-8").strip()
            reward.load(run.checkpoints / name / "reward")
        except OSError as error:
            raise CheckpointError(f"{run.path}: the reward's checkpoint cannot be read: {error}") from error
        return reward

    @cached_property
    def _initial(self) -> LanguageModelPolicy:
        """pi_0, which rewards that need a reference are measured against."""
        policy = self.parts.policy
        section = self.parts.config.model.model_copy(update=_FOR_SCORING)
        try:
            check_same_tokens(load_tokenizer(section), policy.tokenizer, f"model.name: {section.name}")
            return _policy(section, policy.tokenizer, policy.eos_ids)
        except ModelError as error:
            hint = "An implicit reward is beta log(pi / pi_0): the model that the run began with must still be there."
            raise ModelError(error.message, hint) from error


def load_learned(run: RunFolder, config: RunConfig | None = None) -> Learned:
    """The result of a run that has finished.

    Args:
        run: its folder.
        config: other options than those of the run (decoding, benchmarks ...); None takes the run's.

    Raises:
        RunFolderError: there is no result yet.
        ModelError: its model cannot be loaded.
    """
    manifest = read_manifest(run)
    config = config or recorded(manifest.config)
    if not run.model.is_dir():
        raise RunFolderError(f"{run.path}: has no result yet (model/ is missing)", "Finish it: irltui run --resume.")
    section = config.model.model_copy(update={"name": str(run.model), "revision": "main", "quantization": "off"})
    return Learned(run, *load_model_of(config, section, begun=manifest.created))


def load_model_of(
    config: RunConfig,
    section: ModelSection,
    poll: Callable[[], None] = lambda: None,
    begun: float | None = None,
) -> tuple[Assembly, PromptTemplate]:
    """The parts of a configuration over any model, which does not train, and what makes prompts of text.

    Args:
        config: of a run.
        section: of the model.
        poll: called often in long work.
        begun: as for `load_tokenizer`.

    Raises:
        ModelError: it cannot be loaded.
        DataError: there is no chat template.
    """
    section = section.model_copy(update=_FOR_SCORING)
    tokenizer = load_tokenizer(section, begun)
    ends = eos_ids(tokenizer, generation_defaults(section).eos_token_id, config.data.template)
    template = PromptTemplate(tokenizer, ends, config.data.template, config.data.system)
    return assemble(config, _policy(section, tokenizer, ends), poll), template


def load_checkpoint(config: RunConfig, folder: Path) -> Assembly:
    """The parts as training had them at a checkpoint or at a step that failed, ready to train.

    Raises:
        ModelError: the model that the run began with cannot be loaded.
        CheckpointError: the folder belongs to another model.
        OSError: it cannot be read.
    """
    try:
        parts = assemble_at_start(config)
    except ModelError as error:
        hint = "A checkpoint holds only what was trained: the model that the run began with must still be there."
        raise ModelError(error.message, hint) from error
    load_weights(folder, parts.policy.trained(), parts.reward)
    return parts


def no_reward(run: RunFolder, config: RunConfig) -> OptionError:
    """Of a run that learned none."""
    return OptionError(
        f"{run.path}: its algorithm {config.algorithm!r} learned no reward", "Take a run of irft, spin or rft."
    )


def _policy(section: ModelSection, tokenizer: object, ends: frozenset[int]) -> LanguageModelPolicy:
    model = load_model(section).requires_grad_(requires_grad=False)
    if section.quantization == "off":
        model.to(PartialState().device or torch.device("cpu"))
    return LanguageModelPolicy(model, tokenizer, ends, partial(load_model, section))
