"""The options of a part, as they stand in the configuration, and what the engine must know before it is built."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field

from irltui.api.context import BuildContext
from irltui.api.parts import Benchmark, Objective, PolicyUpdate, Reward, Sampler


class Spec(BaseModel):
    """Options of one part, as they stand in the configuration."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,  # TOML has types: true is no 1, "3" no 3
        allow_inf_nan=False,  # run.json is JSON
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    paths: ClassVar[tuple[str, ...]] = ()
    """Options that may name a local file or folder; they are made absolute when a run starts."""

    code: ClassVar[str] = ""
    """The option that names a Python file which the part runs, if one does. irltui asks the user before that file is
    run, and keeps its hash in the option `sha256`, which the Spec must have."""

    defaults: ClassVar[Mapping[str, Any]] = {}
    """Of objectives and rewards: tables of the configuration whose defaults are others with this part:
    `{"reward_optimizer": {"learning_rate": 1e-3}}`."""

    kind: str
    """Which part: a bare name for irltui's own (`implicit`), `plugin/name` for a plugin's (`acme/bounded`)."""

    @classmethod
    def from_options(cls, options: Mapping[str, Any]) -> Self:
        """The Spec with these options, as a configuration gives them: strictly typed, a list where a tuple is declared.

        Raises:
            ValidationError: an option is unknown, missing or of another type.
        """
        try:
            text = json.dumps(options, default=str, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            return cls.model_validate(options)  # says which option is no Unicode text
        return cls.model_validate_json(text, strict=True)


class Replay(NamedTuple):
    """What the comparisons of a step are, as shares: the better response, then the worse one."""

    current: float
    """Demonstration, generation of this outer iteration."""
    earlier: float
    """Demonstration, generation of an earlier one."""
    between: float
    """Generation of a later outer iteration, generation of an earlier one."""


class ObjectiveSpec(Spec):
    """Options of an objective, and what it needs. `algorithm` names it; `kind` is filled in from there."""

    reward: ClassVar[Literal["none", "implicit", "explicit"]] = "none"
    """none: it compares with nothing. implicit: with the policy's own log-ratio to pi_ref. explicit: with a reward of
    its own parameters, which the inner steps train; policy steps ([update]) then follow it."""
    reads_gaps: ClassVar[bool] = True
    """Whether a pair with y~ == y has no gradient, because the loss sees r(x, y) - r(x, y~) alone: such pairs are left
    out, but not counted out."""
    refuses: ClassVar[Mapping[str, str]] = {}
    """Kinds of `reference.kind` that it does not go with, each with the reason."""

    kind: str
    """The same as `algorithm`."""

    @property
    def draws(self) -> int:
        """How many generations each demonstration is compared with, drawn once an outer iteration; 0 draws none."""
        return 0

    @property
    def compared(self) -> int:
        """Generations in a batch for each of its demonstrations."""
        return min(self.draws, 1) if self.replays else self.draws

    @property
    def frozen_models(self) -> int:
        """How many models it asks besides the policy, pi_0 included: they take memory."""
        return 0

    @property
    def replays(self) -> Replay | None:
        """If given, a step compares one response with one other, earlier generations included, in these shares."""
        return None

    @abstractmethod
    def build(self, context: BuildContext) -> Objective:
        """Make the part; import heavy libraries here, not at the top of the module."""


class RewardSpec(Spec):
    """Options of a reward."""

    reads_rows: ClassVar[bool] = False
    """Whether `score` needs demonstrations or columns of the data, which prompts from elsewhere may lack: `irltui
    sample` then gives a single answer without its reward."""
    needs_demonstration: ClassVar[bool] = False
    """Whether a response can be scored only beside the demonstration of its prompt, so not on `data.prompts`."""
    implicit: ClassVar[bool] = False
    """True if the policy itself is the reward's only parameter, so that there is no policy step."""
    learns: ClassVar[bool] = True
    """False for a reward that is given and has no parameters: `rft` then takes policy steps alone, and only held-out
    demonstrations get a generation to be compared with."""
    needs_reference: ClassVar[bool] = True
    """Whether `score` reads `responses.logp_ref`. False saves scoring the training pairs under pi_ref; `logp_ref` is
    then NaN. An implicit reward always gets it."""

    beta: float = Field(default=0.1, gt=0)
    """KL weight: the policy moves towards pi_ref exp(r / beta). A reward of another scale declares its own default."""

    @property
    def window(self) -> int | None:
        """How many outer iterations' pairs the inner steps use, the newest included; None for all so far."""
        return 1

    @abstractmethod
    def build(self, context: BuildContext) -> Reward:
        """Make the part; import heavy libraries here, not at the top of the module."""

    def load(self, folder: Path, context: BuildContext) -> Reward:
        """The reward that `export` wrote into a folder, for scoring alone."""
        reward = self.build(context)
        reward.load(folder)
        return reward


class SamplerSpec(Spec):
    """Options of a sampler."""

    uses_model: ClassVar[bool] = True
    """Whether it samples with `policy.model`, which is then gathered on every process if it is sharded.
    False for a sampler that works elsewhere; it gathers the weights in `refresh`, which all processes call."""

    @abstractmethod
    def build(self, context: BuildContext) -> Sampler:
        """Make the part; import heavy libraries here, not at the top of the module."""


class UpdateSpec(Spec):
    """Options of a policy step; `context.lower` is there when it is built."""

    @abstractmethod
    def build(self, context: BuildContext) -> PolicyUpdate:
        """Make the part; import heavy libraries here, not at the top of the module."""


class BenchmarkSpec(Spec):
    """Options of a benchmark."""

    needs_reward: ClassVar[bool] = False
    """Whether it asks for `Model.rewards`; it then cannot be configured for a run that learns none."""
    gold: ClassVar[str] = ""
    """The metric in which more is better by a judge of its own, if it has one: the advice of a run listens to it."""

    decoding: dict[str, float] = {}
    """What this benchmark draws otherwise than [decoding] says: { temperature = 0 }, { strength = 3 }."""

    @abstractmethod
    def build(self, context: BuildContext) -> Benchmark:
        """Make the part; import heavy libraries here, not at the top of the module."""
