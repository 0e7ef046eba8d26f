"""The options of a run: one pydantic class per table, one documented field per option.

There is no null: absent options are "auto" or "off". Defaults are what an expert would choose; presets and
the user's file say only what differs. Nothing here reads a file or imports torch.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    Field,
    SerializeAsAny,
    ValidationError,
    model_validator,
)

from irltui.api import BenchmarkSpec, ObjectiveSpec, RewardSpec, SamplerSpec, Spec, UpdateSpec
from irltui.config.decoding import DecodingSection
from irltui.config.kinds import resolver
from irltui.config.layers import PARTS
from irltui.config.plugins import PluginsSection
from irltui.config.section import Section

Auto = Literal["auto"]
FILE_NAME = re.compile(r"[^/\\\x00-\x1f.][^/\\\x00-\x1f]*")
"""Names under which results are stored: of benchmarks, arms and runs."""
PositiveInt = Annotated[int, Field(ge=1)]
Betas = Annotated[list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=2, max_length=2)]


class ModelSection(Section):
    """The language model that is fine-tuned."""

    name: str = Field(min_length=1)
    """Hub name, or folder of a transformers model, or a finished run's folder."""
    revision: str = "main"
    """Revision of a hub model."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the weights that train."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Type the matrix products compute in; auto is bfloat16 where it is native and, timed on a CPU, faster."""
    attention: Literal["auto", "eager", "sdpa", "flash_attention_2"] = "auto"
    """Attention implementation of transformers."""
    kernels: Literal["off", "liger"] = "off"
    """liger: liger-kernel's fused norms, rotary embedding, gated layers and output layer, on CUDA; rounds otherwise."""
    quantization: Literal["off", "4bit"] = "off"
    """4bit: QLoRA, a frozen base in 4 bits (NF4) by bitsandbytes under LoRA adapters, on CUDA."""
    gradient_checkpointing: bool = False
    """Trade time for memory: keep no activations."""
    shard: Literal["off", "fsdp2"] = "off"
    """On several processes: off, each holds all of it; fsdp2, a part of weights, gradients and optimizer state."""
    trust_remote_code: bool = False
    """Run code that comes with the model; in a file, it needs --trust-code once on each machine."""


class AdapterSection(Section):
    """LoRA through peft, or full fine-tuning."""

    kind: Literal["off", "lora"] = "off"
    """off trains all weights; lora trains low-rank adapters, and the reference is the adapter switched off."""
    rank: int = Field(default=64, ge=1)
    """Rank r of the adapters."""
    alpha: int = Field(default=16, ge=1)
    """Scale: adapters enter with alpha / rank."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """Dropout in front of the adapters; above 0 the policy that trains is not quite the one that samples."""
    targets: Literal["auto", "all-linear"] | list[str] = "all-linear"
    """Module names that get an adapter; auto leaves the choice to peft."""


class ColumnsSection(Section):
    """Which columns of the demonstrations hold what."""

    prompt: str = "auto"
    """Column with the prompt (text, or a list of chat messages)."""
    completion: str = "auto"
    """Column with the demonstrated response."""
    messages: str = "auto"
    """Column with a whole conversation: a list of messages, JSON text, or a dialogue ("Human: ... Assistant: ...")."""
    system: str = "auto"
    """Column with a system message to put before the prompt (system, system_prompt); off reads none."""
    input: str = "auto"
    """Column with text that belongs to the prompt, on a line below it (input, context); off reads none."""
    history: str = "auto"
    """Column with the turns before the prompt: messages, or [question, answer] pairs; off reads none."""
    tools: str = "auto"
    """Column with the tools that the chat template is given (tools, functions); off reads none."""
    label: str = "auto"
    """Column that is false if a completion is no demonstration (label, if it is true or false); off reads none."""


class DataSection(Section):
    """The demonstrations."""

    source: str = Field(min_length=1)
    """Hub name, or a local JSONL, JSON, Parquet, CSV or Arrow file, or a folder of such files."""
    split: str = "train"
    """Split of a hub data set, or of a folder whose files are named after splits (train.jsonl, test.jsonl)."""
    subset: str = "auto"
    """Configuration name of a hub data set."""
    columns: ColumnsSection = ColumnsSection()
    turns: Literal["last", "all"] = "last"
    """Which of the assistant's turns in a conversation train: the last, or each, with all before it as its prompt."""
    template: str = "auto"
    """Chat template: auto uses the tokenizer's, none joins prompt and completion as they are, else a Jinja file."""
    system: str = ""
    """System message for every prompt; empty adds none beyond the template's own."""
    limit: Literal["all"] | PositiveInt = "all"
    """Use only the first rows."""
    prompts: str = ""
    """rft: prompts without demonstrations for its policy steps, from any source that `source` may name; empty: none."""
    max_prompt_tokens: int = Field(default=512, ge=1)
    """Longest prompt, template included."""
    max_response_tokens: int = Field(default=512, ge=1)
    """Longest demonstration, end-of-sequence included."""
    overlong: Literal["drop", "truncate", "error"] = "drop"
    """How to treat longer rows; truncate shortens prompts on the left, responses on the right (no end-of-sequence)."""
    duplicates: Literal["drop", "keep"] = "drop"
    """How to treat rows that repeat a prompt and its completion."""
    held_out: Annotated[float, Field(ge=0, lt=1)] | Annotated[str, Field(min_length=1)] = 0.1
    """Share of prompts to hold out, for held-out loss and early stopping; or a split, such as validation, or a file."""
    max_held_out: int = Field(default=128, ge=0)
    """Limit on held-out demonstrations; the rest of the share trains."""


class LoopSection(Section):
    """The two levels: T outer iterations per pass, K inner steps per outer iteration."""

    passes: int = Field(default=1, ge=1)
    """Passes over the demonstrations."""
    outer_iterations: PositiveInt | Auto = 4
    """T: how often a pass samples anew, each time for one of T chunks; 1 is SPIN, auto follows from inner_steps."""
    inner_steps: PositiveInt | Auto = "auto"
    """K: optimizer steps per outer iteration; auto goes inner_epochs times over the iteration's chunk."""
    inner_epochs: int = Field(default=1, ge=1)
    """Passes over the chunk per outer iteration when inner_steps is auto."""
    batch: int = Field(default=16, ge=1)
    """Pairs per optimizer step (demonstrations for SFT)."""
    micro_batch: PositiveInt | Auto = "auto"
    """Pairs per forward pass; the result does not depend on it. auto is 4."""
    share_prefix: bool = True
    """Compute the prompt of a pair once for both responses, where that is less work; the result is the same."""
    shuffle: bool = True
    """Shuffle the demonstrations anew in every pass."""
    max_nonfinite_steps: int = Field(default=0, ge=0)
    """Inner steps whose loss or gradient is NaN or infinite to skip, in the whole run, before it stops; 0 stops."""


class ReferenceSection(Section):
    """pi_ref, the policy that rewards are measured against."""

    kind: Literal["rolling", "fixed", "mix"] = "rolling"
    """rolling: the policy at the start of the outer iteration; fixed: the initial policy; mix: both, geometrically."""
    weight: float = Field(default=0.5, gt=0, lt=1)
    """mix: share of the initial policy, log pi_ref = weight log pi_0 + (1 - weight) log pi_t."""


class LossSection(Section):
    """The loss h of the reward gap."""

    kind: Literal["sigmoid", "linear", "hinge", "ipo", "robust", "sigmoid_norm"] = "sigmoid"
    """h: sigmoid is SPIN's and DPO's, linear the exact IRL gradient, sigmoid_norm takes log-ratios per token."""
    noise: float = Field(default=0.1, ge=0, lt=0.5)
    """robust: share of pairs believed to be the wrong way round (e)."""
    gamma: float = Field(default=0.0, ge=0)
    """Weight of the demonstrations' negative log-likelihood per token; keeps both log-ratios from falling."""


class SftSection(Section):
    """Supervised fine-tuning, the baseline."""

    weighting: Literal["token", "sequence"] = "token"
    """token: every response token of a step counts the same; sequence: every demonstration does (F1)."""


class OptimizerSection(Section):
    """Optimizer settings."""

    kind: Literal["adamw", "rmsprop"] = "adamw"
    """adamw, or rmsprop as the authors and SPIN ran it."""
    learning_rate: float = Field(default=5e-7, gt=0)
    """Peak learning rate."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """Shape after the warm-up, over the whole run."""
    warmup: float = Field(default=0.1, ge=0, lt=1)
    """Share of all steps spent warming up."""
    weight_decay: float = Field(default=0.0, ge=0)
    """Decoupled for adamw, plain for rmsprop."""
    betas: Betas = [0.9, 0.999]
    """adamw: decay of the first and of the second moment; rmsprop reads the second alone, as its smoothing (alpha)."""
    epsilon: float = Field(default=1e-8, gt=0)
    """Added to the denominator."""
    max_grad_norm: float = Field(default=1.0, ge=0)
    """Clip the gradient to this norm; 0 does not clip."""


class RewardOptimizerSection(OptimizerSection):
    """rft: optimizer settings of the reward; [optimizer] is for the policy."""

    learning_rate: float = Field(default=1e-5, gt=0)
    """Peak learning rate."""


class EarlyStopSection(Section):
    """When to end an inner loop early and begin the next outer iteration (F2 in docs/method.md)."""

    held_out_patience: int = Field(default=0, ge=0)
    """End after this many held-out checks in a row without a lower loss; 0 disables it."""
    check_every: int = Field(default=10, ge=1)
    """Inner steps between held-out checks."""
    max_gap: float = Field(default=0.0, ge=0)
    """End when the mean reward gap of the last steps is above this; 5 is overshoot, 0 disables it."""


class EvaluationSection(Section):
    """Evaluation at the end of each outer iteration."""

    samples: int = Field(default=8, ge=0)
    """Fixed prompts answered after every outer iteration, for reading."""
    held_out_pairs: int = Field(default=64, ge=0)
    """Held-out prompts answered in every outer iteration, for held-out loss, gap and AUC."""
    every: int = Field(default=1, ge=1)
    """Outer iterations from one evaluation, and checkpoint, to the next; above 1 where they are short, as in rft whose
    reward and policy steps take turns every few steps. The last one is always evaluated."""
    before_training: bool = True
    """Measure once before the first step too, so that every curve has a start."""


class CheckpointSection(Section):
    """Checkpoints to resume from."""

    every_steps: int = Field(default=0, ge=0)
    """Also save every this many optimizer steps; 0 saves only after outer iterations."""
    keep: int = Field(default=2, ge=1)
    """Newest checkpoints to keep; the best stays too: by held-out loss if the reference is fixed, else by NLL."""
    background: bool = True
    """Write from a copy in the host's memory while training goes on; without room for one, or if false, it waits."""


class TrackingSection(Section):
    """Experiment trackers that also receive the metrics, by accelerate; `pip install 'irltui[wandb]'` and so on."""

    trackers: list[Literal["tensorboard", "wandb", "trackio", "mlflow"]] = []
    """Of tensorboard, wandb, trackio and mlflow; the run folder holds everything without any."""
    project: str = Field(default="irltui", min_length=1)
    """Project (MLflow: experiment) that the run is filed under, by the name of its folder."""
    alert_command: str = ""
    """Shell command that is started for each alert, which it reads as JSON on its stdin; needs --trust-code."""


class RunConfig(Section):
    """One run, fully resolved."""

    algorithm: str = Field(default="irft", json_schema_extra={"examples": ["sft", "dft", "irft", "nce", "few", "rft"]})
    """The objective: sft, dft, irft (implicit reward; SPIN is loop.outer_iterations = 1), nce, few, rft (explicit
    reward), distill, or a plugin's, "PLUGIN/NAME". Its options stand in [objective]."""
    seed: int = Field(default=0, ge=0)
    """Seed of data order, generations and all other sampling."""
    model: ModelSection
    adapter: AdapterSection = AdapterSection()
    data: DataSection
    plugins: PluginsSection = PluginsSection.model_construct()
    """Before the parts: their kinds may be a plugin's."""
    loop: LoopSection = LoopSection()
    reference: ReferenceSection = ReferenceSection()
    objective: Annotated[SerializeAsAny[ObjectiveSpec], BeforeValidator(resolver("objective"))]
    reward: Annotated[SerializeAsAny[RewardSpec], BeforeValidator(resolver("reward"))]
    loss: LossSection = LossSection()
    sft: SftSection = SftSection()
    sampler: Annotated[SerializeAsAny[SamplerSpec], BeforeValidator(resolver("sampler"))]
    decoding: DecodingSection = DecodingSection()
    optimizer: OptimizerSection = OptimizerSection()
    reward_optimizer: RewardOptimizerSection = RewardOptimizerSection()
    update: Annotated[SerializeAsAny[UpdateSpec], BeforeValidator(resolver("update"))] = Field(
        default={"kind": "rloo"}, validate_default=True
    )
    early_stop: EarlyStopSection = EarlyStopSection()
    evaluation: EvaluationSection = EvaluationSection()
    benchmarks: dict[str, Annotated[SerializeAsAny[BenchmarkSpec], BeforeValidator(resolver("benchmark"))]] = {}
    checkpoint: CheckpointSection = CheckpointSection()
    tracking: TrackingSection = TrackingSection()

    @model_validator(mode="before")
    @classmethod
    def _objective_of_algorithm(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(table := values.get("objective", {}), dict):
            return values
        return {**values, "objective": {"kind": values.get("algorithm", "irft"), **table}}

    @model_validator(mode="after")
    def _consistent(self) -> RunConfig:
        if self.loop.outer_iterations == "auto" and self.loop.inner_steps == "auto":
            raise ValueError("loop.outer_iterations = auto needs a number in loop.inner_steps")
        held_out = self.data.held_out and self.data.max_held_out and self.evaluation.held_out_pairs
        if self.early_stop.held_out_patience and not held_out:
            raise ValueError("early_stop.held_out_patience needs held-out pairs: raise data.held_out")
        self._check_objective()
        if self.has_policy_steps:
            self._check_policy_steps()
        elif self.data.prompts:
            raise ValueError(f"data.prompts is for policy steps, which {self.algorithm} has none of: leave it out")
        self._check_benchmarks()
        return self

    def _check_objective(self) -> None:
        name = self.algorithm
        if self.objective.kind != name:
            raise ValueError(f"objective.kind is filled in from algorithm = {name!r}: leave it out")
        if self.objective.reward == "implicit" and not self.reward.implicit:
            raise ValueError(f"reward.kind must be an implicit reward for {name}; {self.reward.kind!r} learns by 'rft'")
        if self.objective.reward == "explicit" and self.reward.implicit:
            raise ValueError(f"reward.kind must be an explicit reward for {name}: set it to 'explicit'")
        if (reason := self.objective.refuses.get(self.reference.kind)) is not None:
            raise ValueError(f"reference.kind = {self.reference.kind!r} does not go with {name}: {reason}")

    def _check_policy_steps(self) -> None:
        if self.data.prompts and self.reward.needs_demonstration:
            raise ValueError(
                f"data.prompts have no demonstrations, which reward.kind = {self.reward.kind!r} compares with: "
                "leave them out, or take another reward"
            )
        if self.loss.kind == "sigmoid_norm":
            raise ValueError(
                "loss.kind = 'sigmoid_norm' divides log-ratios by length, but the reward of rft is not a log-ratio: "
                "set it to 'sigmoid', 'linear', 'hinge', 'ipo' or 'robust'"
            )
        if not self.decoding.temperature:
            raise ValueError(
                "decoding.temperature = 0 is greedy: policy steps of rft need samples of the policy, set it to 1"
            )
        for name, off in (("top_k", 0), ("top_p", 1.0)):
            if (value := getattr(self.decoding, name)) != off:
                raise ValueError(
                    f"decoding.{name} = {value:g} leaves out tokens: policy steps of rft need samples of the policy, "
                    f"set it to {off:g}"
                )
        if self.loss.gamma:
            raise ValueError("loss.gamma must be 0 for rft: reward steps do not change the policy")

    def _check_benchmarks(self) -> None:
        for name, spec in self.benchmarks.items():
            if not FILE_NAME.fullmatch(name):
                raise ValueError(f"benchmarks: {name!r} is not a valid name: results are stored in files of that name")
            self._check_decoding(name, spec)
            if spec.needs_reward and not self.has_reward:
                raise ValueError(
                    f"benchmarks.{name}.kind {spec.kind!r} needs a learned reward, but {self.algorithm} learns none"
                )

    @property
    def has_reward(self) -> bool:
        """Whether the objective has a reward, implicit or not."""
        return self.objective.reward != "none"

    @property
    def has_policy_steps(self) -> bool:
        """Whether a reward of its own is followed by policy steps."""
        return self.objective.reward == "explicit"

    def _check_decoding(self, name: str, spec: BenchmarkSpec) -> None:
        try:
            self.decoding.changed(spec.decoding)
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            raise ValueError(f"benchmarks.{name}.decoding.{place}: {problem['msg']}") from None

    def with_parts(self, changed: Callable[[tuple[str, ...], Spec], Spec]) -> RunConfig:
        """The same with other options of its parts: `changed` is handed the keys of each table, and its Spec."""
        tables = {table: changed((table,), getattr(self, table)) for table in PARTS}
        benchmarks = {name: changed(("benchmarks", name), spec) for name, spec in self.benchmarks.items()}
        return self.model_copy(update={**tables, "benchmarks": benchmarks})

    @property
    def max_new_tokens(self) -> int:
        """Length cap of a generation, in tokens."""
        cap = self.decoding.max_new_tokens
        return self.data.max_response_tokens if cap == "auto" else cap

    @property
    def micro_batch(self) -> int:
        """Pairs per forward pass."""
        size = self.loop.micro_batch
        return min(4 if size == "auto" else size, self.loop.batch)
