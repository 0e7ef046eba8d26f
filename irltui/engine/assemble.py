"""Build the parts of a configuration, in one place for training, replay, export, scoring and benchmarks.

`Assembly` has what every purpose shares, with the same seeds and options; `Parts` adds what training alone needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator

from irltui.algorithm import PER_TOKEN
from irltui.api import Benchmark, BuildContext, Decoding, Objective, Reward, Sampler, prompt_seed
from irltui.config.decoding import DecodingSection
from irltui.config.load import refuse_strength
from irltui.config.schema import RunConfig
from irltui.data.demonstrations import DemonstrationData, load_demonstrations
from irltui.data.progress import Progress
from irltui.data.template import PromptTemplate, eos_ids
from irltui.distributed import ranks
from irltui.engine.benchmarked_model import ModelUnderTest, RewardOfRun, Rewards
from irltui.engine.faults import MicroBatch
from irltui.engine.frozen import FrozenModels, no_poll
from irltui.engine.guard import build_benchmarks, build_objective, build_reward, build_sampler, has_own
from irltui.engine.health import Setting
from irltui.engine.model_fit import check_ids, generation_cap
from irltui.engine.plan import Plan, plan_of
from irltui.engine.policy_steps import Lower, make_lower
from irltui.engine.shared_sampler import SharedSampler
from irltui.engine.start_policy import make_policy
from irltui.engine.step_sums import Reported
from irltui.engine.stepper import Stepper, make_optimizer
from irltui.engine.timelimit import TimeLimit
from irltui.engine.trained import Trained
from irltui.errors import PluginError
from irltui.lm.limits import model_limits
from irltui.lm.load import generation_defaults, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy
from irltui.rewards.per_token import PerTokenReward
from irltui.samplers.guided import Guidance, GuidedSampler


@dataclass(frozen=True)
class Assembly:
    """The parts of a configuration over one policy; each is built when first used."""

    config: RunConfig
    policy: LanguageModelPolicy
    context: BuildContext
    limit: TimeLimit
    reported: Reported
    frozen: FrozenModels

    @cached_property
    def sampler(self) -> Sampler:
        """The sampler over the policy, or over it and pi_0 if [decoding] has a strength."""
        return self._sampler(self.config.decoding)

    def decoded(self, changes: Mapping[str, float]) -> tuple[Sampler, Decoding]:
        """A sampler and its decoding, with some options of [decoding] changed."""
        if not changes:
            return self.sampler, self.context.decoding
        section = self.config.decoding.changed(changes)
        drawn = {name: getattr(section, name) for name in ("temperature", "top_p", "top_k")}
        return self._sampler(section), replace(self.context.decoding, **drawn)

    def _sampler(self, section: DecodingSection) -> Sampler:
        if section.strength == 1:
            return self._plain
        guidance = Guidance(section.strength, section.plausibility)
        return SharedSampler(GuidedSampler(self.policy, guidance, self.context.poll), self.policy)

    @cached_property
    def _plain(self) -> Sampler:
        return build_sampler(self.config.sampler, self.context, self.limit)

    @cached_property
    def reward(self) -> Reward | None:
        """The reward as it begins, per token if the loss asks for that; None if the objective has none."""
        if not self.config.has_reward:
            return None
        return self._per_token(build_reward(self.config.reward, self.context, self.limit))

    def exported_reward(self, folder: Path) -> Reward:
        """The reward that the run exported to a folder."""
        return self._per_token(build_reward(self.config.reward, self.context, self.limit, folder))

    def _per_token(self, reward: Reward) -> Reward:
        return PerTokenReward(reward) if self.config.loss.kind == PER_TOKEN else reward

    @cached_property
    def objective(self) -> Objective:
        """What the inner steps minimise."""
        spec, reward = self.config.objective, self.reward
        if spec.draws > 1 and has_own(reward, "penalty"):
            raise PluginError(
                f"reward.kind {self.config.reward.kind}: its penalty is of one pair, and {spec.kind} compares each "
                f"demonstration with {spec.draws} generations",
                "Set objective.generations = 1.",
            )
        return build_objective(spec, replace(self.context, reward=reward), self.limit)

    def under_test(
        self, template: PromptTemplate, rewards: Rewards | None, notice: Callable[[str], None]
    ) -> ModelUnderTest:
        """The policy as benchmarks see it."""
        size, decoding, poll = self.config.micro_batch, self.context.decoding, self.context.poll
        return ModelUnderTest(self.policy, self.sampler, decoding, template, size, poll, rewards, notice)


def assemble(
    config: RunConfig,
    policy: LanguageModelPolicy,
    poll: Callable[[], None] = lambda: None,
    notice: Callable[[str], None] = lambda _: None,
    cap: int | None = None,
) -> Assembly:
    """The parts of a configuration over a policy: one that is going to train, that has trained, or any other.

    `poll` is called often in long work, `notice` tells the user something once; `cap` limits the tokens of a generation
    where the data leaves fewer than the configuration says.
    """
    limit, reported = TimeLimit(config.plugins.time_limit), Reported()
    context = BuildContext(
        policy,
        seed=prompt_seed(config.seed, "parts"),
        poll=limit.outside(poll),
        notice=notice,
        metric=reported.add,
        model=config.model,
        decoding=Decoding(
            config.decoding.temperature, config.decoding.top_p, config.decoding.top_k, cap or config.max_new_tokens
        ),
        ranks=ranks,
        batch=2 * config.micro_batch,
        beta=config.reward.beta,
        loss=config.loss,
    )

    def sampler(of: LanguageModelPolicy, poll: Callable[[], None]) -> Sampler:
        # What draws elsewhere may serve the policy, too: an answer to `sample` would change its weights in the midst.
        poll = poll if config.sampler.uses_model else no_poll
        return build_sampler(config.sampler, replace(context, policy=of, poll=poll), limit)

    frozen = FrozenModels(policy, sampler, context)
    given = replace(context, initial=frozen.initial, load=frozen.load)
    return Assembly(config, policy, given, limit, reported, frozen)


def assemble_at_start(config: RunConfig) -> Assembly:
    """The parts over the start policy, adapters included, for a checkpoint to be loaded into.

    Raises:
        ModelError: the model cannot be loaded.
    """
    tokenizer = load_tokenizer(config.model)
    ends = eos_ids(tokenizer, generation_defaults(config.model).eos_token_id, config.data.template)
    torch.manual_seed(prompt_seed(config.seed, "torch"))
    return assemble(config, make_policy(config, tokenizer, ends)[0])


@dataclass(frozen=True)
class Parts:
    """All parts of a run.

    `reward` is None if the objective has none; `lower` is there for RFT alone, whose `stepper` moves the reward.
    """

    config: RunConfig
    assembly: Assembly
    data: DemonstrationData
    plan: Plan
    policy: LanguageModelPolicy
    objective: Objective
    reward: Reward | None
    sampler: Sampler
    decoding: Decoding
    stepper: Stepper
    lower: Lower | None
    benchmarks: dict[str, Benchmark]
    model_under_test: ModelUnderTest
    generation_config: Any
    poll: Callable[[], None]
    forward: MicroBatch

    @property
    def total_steps(self) -> int:
        """Planned optimizer steps, of reward and policy."""
        return self.plan.total_steps + (self.lower.total_steps if self.lower is not None else 0)

    @property
    def micro_batch(self) -> int:
        """Pairs per forward pass."""
        return self.forward.size

    @property
    def held_out_pairs(self) -> int:
        """Held-out demonstrations that get a generation in every outer iteration."""
        return min(self.config.evaluation.held_out_pairs, len(self.data.held_out))

    def evaluates(self, t: int) -> bool:
        """Whether the end of outer iteration t is evaluated."""
        return (t + 1) % self.config.evaluation.every == 0 or t + 1 == self.plan.outer_iterations

    @property
    def reference_rolls(self) -> bool:
        """Whether pi_ref follows the policy, wholly or in part."""
        return self.reward is not None and self.config.reference.kind != "fixed"

    @property
    def setting(self) -> Setting:
        """How the adviser reads the metrics."""
        return Setting.of(self.config)

    @property
    def samples_seed(self) -> int:
        """The seed of the fixed prompts' answers, the same in every iteration."""
        return prompt_seed(self.config.seed, "samples")

    def iteration_seed(self, t: int) -> int:
        """The seed of the generations of outer iteration t."""
        return prompt_seed(self.config.seed, f"generations {t}")

    def trained(self) -> Trained:
        """The state that a checkpoint holds."""
        parameters = self.policy.trained()
        lower = self.lower.stepper.optimizer if self.lower is not None else None
        return Trained(parameters, self.stepper.optimizer, self.reward, lower)


def build(
    config: RunConfig,
    folder: Path,
    poll: Callable[[], None],
    notice: Callable[[str], None],
    begun: float | None = None,
) -> Parts:
    """Load data, tokenizer and model, and build every part; the data comes first, since its errors are cheap.

    `folder` is the run's samples/, `poll` the safe point; `begun` is the date of chat templates that write one, None
    for today.
    """
    refuse_strength(config)
    tokenizer = load_tokenizer(config.model, begun)
    generation_config = generation_defaults(config.model)
    ends = eos_ids(tokenizer, generation_config.eos_token_id, config.data.template)
    # Ranks read at their own pace, so only one that is alone can stop amid the rows.
    progress = Progress(poll, notice) if ranks.count() == 1 else Progress(say=notice)
    data = load_demonstrations(config.data, tokenizer, ends, progress)
    limits = model_limits(config.model)
    check_ids(tokenizer, data, limits, ends)
    cap = generation_cap(config, data, limits, notice)
    plan = plan_of(config, data)
    torch.manual_seed(prompt_seed(config.seed, "torch"))
    policy, accelerator = make_policy(config, tokenizer, ends, notice)
    assembly = assemble(config, policy, poll, notice, cap)
    context, limit = assembly.context, assembly.limit
    sampler, reward = assembly.sampler, assembly.reward
    lower = None
    if config.has_policy_steps:
        lower = make_lower(config, context, plan, folder, accelerator.backward, limit)
    return Parts(
        config=config,
        assembly=assembly,
        data=data,
        plan=plan,
        policy=policy,
        objective=assembly.objective,
        reward=reward,
        sampler=sampler,
        decoding=context.decoding,
        stepper=_stepper(config, policy, reward, lower, plan, accelerator),
        lower=lower,
        benchmarks=build_benchmarks(config.benchmarks, context, limit),
        model_under_test=assembly.under_test(data.template, _rewards_of(assembly), notice),
        generation_config=generation_config,
        poll=poll,
        forward=MicroBatch(config.micro_batch),
    )


def _stepper(
    config: RunConfig,
    policy: LanguageModelPolicy,
    reward: Reward | None,
    lower: Lower | None,
    plan: Plan,
    accelerator: Accelerator,
) -> Stepper:
    """The optimizer of the inner steps, over the policy or over a reward of its own.

    Raises:
        PluginError: the reward learns, and has no parameters.
    """
    trains, section = policy.parameters(), config.optimizer
    if lower is not None and reward is not None:
        if not config.reward.learns:
            return lower.stepper  # there are no inner steps
        trains, section = list(reward.parameters()), config.reward_optimizer
        if not trains:
            raise PluginError(
                f"reward.kind {config.reward.kind}: parameters() is empty, so the inner steps have nothing to train",
                "Return what learns; for a reward that is given, say `learns = False` in its spec.",
            )
    together = policy.sharding is not None
    return Stepper(make_optimizer(section, trains), section, plan.total_steps, accelerator.backward, together=together)


def _rewards_of(parts: Assembly) -> RewardOfRun | None:
    if parts.reward is None:
        return None
    size, needs = parts.config.micro_batch, parts.config.reward.needs_reference
    return RewardOfRun(parts.reward, parts.policy, needs_reference=needs, batch=size, poll=parts.context.poll)
