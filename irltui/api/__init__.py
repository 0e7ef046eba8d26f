"""Everything a plugin author imports. Importing this module never imports torch.

A plugin is a module with hook functions (`@hookimpl`), named by one entry point of group `irltui`. Each hook
returns short names and `Spec` classes; a Spec's documented fields are the part's options, its schema, its help
and its form on the dashboard, and `build(context)` makes the part inside the engine's process.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict

from irltui.api.hooks import hookimpl as hookimpl  # part of this interface

if TYPE_CHECKING:
    from torch import Tensor, nn

# -- data ------------------------------------------------------------------------------------

PromptText: TypeAlias = str | Sequence[Mapping[str, str]]
"""A prompt before it is tokenised: text, or chat messages, each with `role` and `content`."""


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt x, tokenised once for sampling and training alike.

    `text` is what a reader should see; `tokens` includes whatever the chat template adds.
    """

    id: str
    text: str
    tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Demonstration:
    """One demonstrated response y to a prompt; `tokens` ends with the end-of-sequence token iff `ended`."""

    id: str
    prompt: Prompt
    text: str
    tokens: tuple[int, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Generation:
    """One sampled response y~: the ids as sampled, never decoded and encoded again.

    `logprobs` are the policy's own log-probabilities of `tokens` in nats (temperature 1, no truncation),
    whatever decoding drew them. `ended`: the policy sampled an end-of-sequence token (it is the last of
    `tokens`); False means that the length cap cut the response.
    """

    prompt_id: str
    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Decoding:
    """How generations are drawn; the default is y~ ~ pi."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int = 256


@dataclass(frozen=True, slots=True)
class Responses:
    """B responses with their prompts, right-padded to L tokens, on the policy's device."""

    input_ids: Tensor  # (B, L) int64
    attention_mask: Tensor  # (B, L) bool, False on padding
    response_mask: Tensor  # (B, L) bool, True on response tokens, end-of-sequence included
    logp_ref: Tensor  # (B,) float32, summed log-probability under the reference, nats


@dataclass(frozen=True, slots=True)
class Score:
    """One item's result on one metric of a benchmark; `item` is stable between runs and models."""

    item: str
    metric: str
    value: float


def prompt_seed(seed: int, prompt_id: str) -> int:
    """The seed of one prompt's draw: a generation must not depend on which other prompts were asked.

    Args:
        seed: the seed of the outer iteration, as handed to `Sampler.sample`.
        prompt_id: the prompt's id.

    Returns:
        63 bits, the same on every machine.
    """
    digest = hashlib.blake2b(f"{seed}\0{prompt_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


# -- what a part is handed -------------------------------------------------------------------


class Policy(Protocol):
    """pi_theta, as parts see it. `model` is the transformers model, for those who must look inside (samplers)."""

    model: Any
    tokenizer: Any
    eos_ids: frozenset[int]

    def log_probs(self, responses: Responses, /) -> Tensor:
        """Log pi(y | x), (B,) float32, summed over response tokens; differentiable."""
        ...

    def token_log_probs(self, responses: Responses, /) -> Tensor:
        """Log pi of each token, (B, L) float32, zero outside the response; differentiable."""
        ...

    def collate(
        self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], logp_ref: Sequence[float], /
    ) -> Responses:
        """Pad prompts and response ids into a batch on the policy's device."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """What trains."""
        ...

    def gathered(self) -> AbstractContextManager[None]:
        """Around reading the weights of `model` in the first process; entered by all.

        A model that is cut over the processes is put together there, on the CPU, with its adapters beside.
        """
        ...


class Reference(Protocol):
    """pi_ref of the lower level: the initial policy, the same for a whole run."""

    def log_probs(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], /) -> Sequence[float]:
        """Log pi_ref(y | x) in nats, summed over each response's ids, in order."""
        ...

    def sample(self, prompts: Sequence[Prompt], seed: int, /) -> Iterator[Generation]:
        """One generation per prompt from pi_ref, in any order; each drawn from `prompt_seed(seed, prompt.id)`."""
        ...


class Model(Protocol):
    """The model under test, as a benchmark sees it."""

    def generate(self, prompts: Sequence[PromptText], /) -> Sequence[str]:
        """One answer per prompt, in order, drawn with the run's decoding."""
        ...

    def log_probs(self, prompts: Sequence[PromptText], answers: Sequence[str], /) -> Sequence[float]:
        """Log pi(answer | prompt) in nats, end-of-sequence included, in order."""
        ...

    def token_counts(self, answers: Sequence[str], /) -> Sequence[int]:
        """Tokens of each answer, end-of-sequence included, in order."""
        ...

    def rewards(self, prompts: Sequence[PromptText], answers: Sequence[str], /) -> Sequence[float]:
        """The learned reward of each answer, in order; an implicit one is beta log(pi / pi_0).

        Raises:
            ModelError: the model comes without one; a Spec with `needs_reward` is never handed such a model.
        """
        ...


def _nothing() -> None:
    """The `poll` of a context outside an engine."""


def _unheard(_text: str) -> None:
    """The `notice` of a context outside an engine."""


@dataclass(frozen=True)
class BuildContext:
    """What a part may hold on to; grows by optional fields only.

    `poll` is to be called often in long work (between tokens, items, batches): it lets the engine answer
    commands and pause, and raises when the run is to stop; let that exception pass. `notice` tells the user something
    once, in the run's log.
    """

    policy: Policy
    seed: int = 0
    poll: Callable[[], None] = _nothing
    notice: Callable[[str], None] = _unheard
    options: Mapping[str, Any] = field(default_factory=dict)
    decoding: Decoding = Decoding()
    batch: int = 8
    """Responses that a forward pass may hold."""
    lower: LowerLevel | None = None
    """For policy steps alone."""


@dataclass(frozen=True)
class LowerLevel:
    """What a policy step works on: max over pi of E r - beta KL(pi || pi_ref)."""

    beta: float
    reference: Reference
    folder: Path
    """Where a policy step may keep what it has drawn (samples/ of the run)."""


# -- options ---------------------------------------------------------------------------------


class Spec(BaseModel):
    """Options of one part, as they stand in the configuration."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,  # run.json is JSON
        use_attribute_docstrings=True,
        protected_namespaces=(),
    )

    paths: ClassVar[tuple[str, ...]] = ()
    """Options that may name a local file or folder; they are made absolute when a run starts."""

    kind: str
    """Which part: a bare name for irltui's own (`implicit`), `plugin/name` for a plugin's (`acme/bounded`)."""


class RewardSpec(Spec):
    """Options of a reward."""

    implicit: ClassVar[bool] = False
    """True if the policy itself is the reward's only parameter, so that there is no policy step."""
    learns: ClassVar[bool] = True
    """False for a reward that is given and has no parameters: `rft` then takes policy steps alone, and only held-out
    demonstrations get a generation to be compared with."""

    @property
    def window(self) -> int | None:
        """How many outer iterations' pairs the inner steps use, the newest included; None for all so far."""
        return 1

    @abstractmethod
    def build(self, context: BuildContext) -> Reward:
        """Make the part; import heavy libraries here, not at the top of the module."""


class SamplerSpec(Spec):
    """Options of a sampler."""

    uses_model: ClassVar[bool] = True
    """Whether it draws with `policy.model`: one that is cut over several processes is then put together for it on each.
    False for a sampler that draws elsewhere; it gathers the weights in `refresh`, which all processes call."""

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

    @abstractmethod
    def build(self, context: BuildContext) -> Benchmark:
        """Make the part; import heavy libraries here, not at the top of the module."""


# -- parts -----------------------------------------------------------------------------------


class Reward(ABC):
    """r(x, y): one number per response, higher is better."""

    @abstractmethod
    def score(self, responses: Responses) -> Tensor:
        """(B,) float32, differentiable in `parameters()`; neither padding nor the batch may matter."""

    @abstractmethod
    def parameters(self) -> Iterator[nn.Parameter]:
        """What the inner steps train."""

    restarts: bool = False
    """Every outer iteration begins with new parameters; the optimizer then forgets its moments."""

    def penalty(self, responses: Responses) -> Tensor | None:
        """What to add to each pair's loss, (B / 2,), or None; demonstrations first, as `score` was handed them."""
        return None

    def token_scores(self, responses: Responses) -> Tensor | None:
        """(B, L) float32 summing to `score` over each row's response, or None if the reward has no such parts."""
        return None

    def begin(self, t: int) -> None:  # noqa: B027 - optional
        """Outer iteration t starts. Not called again when a run resumes inside iteration t."""

    def gathered(self) -> AbstractContextManager[None]:
        """Around `save` and `export`, entered by all processes; these two are called in the first alone.

        Only for a reward whose parameters are cut over the processes: here it puts them together.
        """
        return nullcontext()

    def save(self, folder: Path) -> None:  # noqa: B027 - optional
        """Write what `load` needs; called for a checkpoint. Nothing to do if the policy is the only state."""

    def load(self, folder: Path) -> None:  # noqa: B027 - optional
        """Read what `save` wrote."""

    def export(self, folder: Path) -> None:  # noqa: B027 - optional
        """Write the learned reward for others to load, into an empty folder; nothing trains afterwards."""


class Sampler(ABC):
    """Draws y~ from the policy."""

    group: int = 256
    """Prompts the engine asks for at once, shortest first; a group that a crash cut is drawn again whole."""

    @abstractmethod
    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        """One generation per prompt, in any order; each drawn from `prompt_seed(seed, prompt.id)`.

        An iterator, so that finished generations are stored while others are still being drawn and the run
        can be paused or stopped between them.
        """

    def refresh(self) -> None:  # noqa: B027 - optional
        """The policy's weights have changed."""


@dataclass(frozen=True, slots=True)
class PolicyStep:
    """What a policy step yields before the policy moves: backward the loss, and step if `last`."""

    s: int  # policy step of the outer iteration
    loss: Tensor  # ()
    last: bool = True
    values: Mapping[str, float] = field(default_factory=dict)  # metrics of the step, with its last loss


class PolicyUpdate(ABC):
    """Moves the policy towards pi_ref exp(r / beta): the lower level of RFT."""

    @abstractmethod
    def steps(self, prompts: int) -> int:
        """How many policy steps an outer iteration of so many prompts has; the plan is made of it."""

    @abstractmethod
    def losses(
        self, reward: Reward, sampler: Sampler, prompts: Sequence[Prompt], t: int, start: int
    ) -> Iterator[PolicyStep]:
        """Policy steps `start`, `start` + 1, ... of outer iteration t.

        The engine moves the policy after each last loss of a step. A run that was interrupted asks for the rest:
        what step s draws must follow from (t, s) and the context's seed. `poll` may be called up to the first
        loss of a step, not between two losses.
        """


class Benchmark(ABC):
    """Measures a model."""

    @abstractmethod
    def evaluate(self, model: Model) -> Iterator[Score]:
        """Scores per item, so that two models can be compared item by item."""
