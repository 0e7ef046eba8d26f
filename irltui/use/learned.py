"""What a run learned, loaded for use: its policy, its tokenisation and its reward.

Reads a finished run folder and never writes there. Computes in float32, so that a score does not depend on the
responses beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from accelerate import PartialState

from irltui.algorithm import PER_TOKEN
from irltui.api import BuildContext, Decoding, Prompt, Reward, Sampler
from irltui.config.load import recorded
from irltui.config.schema import ModelSection, RunConfig
from irltui.data.template import PromptTemplate, eos_ids
from irltui.engine.guard import build_reward, build_sampler
from irltui.errors import CheckpointError, ModelError, RunFolderError
from irltui.lm.load import generation_defaults, load_model, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.rewards import Explicit, Implicit
from irltui.rewards.build import check_same_tokens, load_explicit
from irltui.rewards.scoring import RewardScore, score_rewards
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest

_FOR_SCORING = {"dtype": "float32", "gradient_checkpointing": False}


@dataclass(frozen=True)
class Speaker:
    """A model with what it needs to be asked: template, sampler and decoding."""

    policy: LanguageModelPolicy
    template: PromptTemplate
    sampler: Sampler
    decoding: Decoding
    context: BuildContext


@dataclass(frozen=True)
class Learned:
    """A run's result.

    `policy` is pi of RUN/model, `initial` pi_0, from which an implicit reward is measured; it is None where no
    reward asks for it.
    """

    run: RunFolder
    config: RunConfig
    policy: LanguageModelPolicy
    template: PromptTemplate
    sampler: Sampler
    decoding: Decoding
    reward: Reward | None
    initial: LanguageModelPolicy | None

    def rewards(
        self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], *, batch: int
    ) -> list[RewardScore]:
        """R(x, y) of each response and of its tokens, in order; `batch` responses a forward pass.

        Raises:
            RunFolderError: the run learned no reward.
        """
        if self.reward is None:
            raise no_reward(self.run, self.config)
        if self.initial is None:
            return score_rewards(self.reward, self.policy, prompts, responses, [0.0] * len(prompts), batch=batch)
        before = score_all(self.initial, prompts, responses, batch=batch)
        if not isinstance(self.config.reward, Implicit):
            reference = [sum(row) for row in before]
            return score_rewards(self.reward, self.policy, prompts, responses, reference, batch=batch)
        beta = self.config.reward.beta
        now = score_all(self.policy, prompts, responses, batch=batch)
        tokens = [[beta * (a - b) for a, b in zip(*rows, strict=True)] for rows in zip(now, before, strict=True)]
        if self.config.loss.kind == PER_TOKEN:
            tokens = [[value / len(row) for value in row] for row in tokens]
        return [RewardScore(sum(row), row) for row in tokens]


def load_learned(
    run: RunFolder,
    poll: Callable[[], None] = lambda: None,
    *,
    config: RunConfig | None = None,
    with_reward: bool = True,
) -> Learned:
    """The result of a run that has finished.

    Args:
        run: its folder.
        poll: called often in long work.
        config: other options than those of the run (decoding, benchmarks ...); None takes the run's.
        with_reward: without it neither the reward nor pi_0 is loaded, nor missed.

    Raises:
        RunFolderError: there is no result yet.
        ModelError: its model, reward or starting model cannot be loaded, or their tokens differ.
        CheckpointError: the reward of a plugin has no checkpoint to be read from.
    """
    if config is None:
        config = recorded(read_manifest(run).config)
    if not run.model.is_dir():
        raise RunFolderError(f"{run.path}: has no result yet (model/ is missing)", "Finish it: irltui run --resume.")
    speaker = load_speaker(config, _plain(config.model, str(run.model)), poll)
    policy, context = speaker.policy, speaker.context
    return Learned(
        run,
        config,
        policy,
        speaker.template,
        speaker.sampler,
        speaker.decoding,
        _reward(run, config, context) if with_reward else None,
        _initial(config, policy.tokenizer, policy.eos_ids) if with_reward else None,
    )


def load_speaker(config: RunConfig, section: ModelSection, poll: Callable[[], None] = lambda: None) -> Speaker:
    """Any model, with the sampler, template and decoding of a configuration.

    Raises:
        ModelError: it cannot be loaded.
        DataError: no chat template is to be had.
    """
    tokenizer = load_tokenizer(section)
    ends = eos_ids(tokenizer, generation_defaults(section).eos_token_id, config.data.template)
    template = PromptTemplate(tokenizer, ends, config.data.template, config.data.system)
    policy = _policy(section, tokenizer, ends)
    decoding = Decoding(
        config.decoding.temperature, config.decoding.top_p, config.decoding.top_k, config.max_new_tokens
    )
    context = BuildContext(
        policy, seed=config.seed, poll=poll, options={"model": section}, decoding=decoding, batch=config.micro_batch
    )
    return Speaker(policy, template, build_sampler(config.sampler, context), decoding, context)


def no_reward(run: RunFolder, config: RunConfig) -> RunFolderError:
    """Of a run that learned none."""
    return RunFolderError(
        f"{run.path}: its algorithm {config.algorithm!r} learned no reward", "Take a run of irft, spin or rft."
    )


def _plain(section: ModelSection, name: str) -> ModelSection:
    return section.model_copy(update={"name": name, "revision": "main", **_FOR_SCORING})


def _policy(section: ModelSection, tokenizer: object, ends: frozenset[int]) -> LanguageModelPolicy:
    model = load_model(section).requires_grad_(requires_grad=False)
    model.to(PartialState().device or torch.device("cpu"))
    return LanguageModelPolicy(model, tokenizer, ends, partial(load_model, section))


def _initial(config: RunConfig, tokenizer: object, ends: frozenset[int]) -> LanguageModelPolicy | None:
    """pi_0, which an implicit reward is measured against."""
    if config.algorithm == "sft" or not config.reward.implicit:
        return None
    section = config.model.model_copy(update=_FOR_SCORING)
    try:
        check_same_tokens(load_tokenizer(section), tokenizer, f"model.name: {section.name}")
        return _policy(section, tokenizer, ends)
    except ModelError as error:
        hint = "An implicit reward is beta log(pi / pi_0): the model that the run began with must still be there."
        raise ModelError(error.message, hint) from error


def _reward(run: RunFolder, config: RunConfig, context: BuildContext) -> Reward | None:
    if config.algorithm == "sft":
        return None
    if isinstance(config.reward, Implicit):
        return config.reward.build(context)
    if isinstance(config.reward, Explicit):
        if not run.reward.is_dir():
            raise RunFolderError(f"{run.path}: its reward is missing (no reward/)", "Finish it: irltui run --resume.")
        return load_explicit(run.reward, context)
    return _plugin_reward(run, config, context)


def _plugin_reward(run: RunFolder, config: RunConfig, context: BuildContext) -> Reward:
    """A reward that irltui does not know how to export: as it stands in the newest checkpoint."""
    reward = build_reward(config.reward, context)
    try:
        name = (run.checkpoints / "latest").read_text(encoding="utf-8").strip()
        reward.load(run.checkpoints / name / "reward")
    except OSError as error:
        raise CheckpointError(f"{run.path}: the reward's checkpoint cannot be read: {error}") from error
    return reward
