"""What a part is handed: the policy, the reference, the model under test, and the context it is built in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from irltui.api.data import Decoding, Generation, Prompt, PromptText, Responses

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from irltui.api.parts import Reward
    from irltui.config.schema import LossSection, ModelSection

_T = TypeVar("_T")


class Ranks(Protocol):
    """The processes that train together; each computes the same program on its share of the rows.

    What is collective must be called by all of them in the same order.
    """

    def count(self) -> int:
        """How many there are; 1 trains alone."""
        ...

    def gather(self, rows: Sequence[_T], /) -> list[_T]:
        """The rows of all processes, in their order. Collective."""
        ...

    def from_first(self, make: Callable[[], _T], /) -> _T:
        """What `make` returns or raises in the first process, where alone it is called. Collective."""
        ...

    def local(self, tensor: Tensor, /) -> Tensor:
        """This process's part of a parameter that is sharded; any other tensor as it is."""
        ...


class Alone(Ranks):
    """A single process."""

    def count(self) -> int:
        return 1

    def gather(self, rows: Sequence[_T]) -> list[_T]:
        return list(rows)

    def from_first(self, make: Callable[[], _T]) -> _T:
        return make()

    def local(self, tensor: Tensor) -> Tensor:
        return tensor


class Policy(Protocol):
    """pi_theta, as parts see it. `model` is the transformers model, for those who must look inside (samplers)."""

    model: Any
    tokenizer: Any
    eos_ids: frozenset[int]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        ...

    def log_probs(self, responses: Responses, /) -> Tensor:
        """Log pi(y | x), (B,) float32, summed over response tokens; differentiable."""
        ...

    def token_log_probs(self, responses: Responses, /) -> Tensor:
        """Log pi of each token, (B, L) float32, zero outside the response; differentiable."""
        ...

    def log_distributions(self, responses: Responses, /) -> Tensor:
        """Log pi(. | x, tokens before) of each response token, (tokens, vocabulary) float32, row by row."""
        ...

    def collate(
        self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], logp_ref: Sequence[float], /
    ) -> Responses:
        """Pad prompts and response ids into a batch on the policy's device."""
        ...

    def decode(self, tokens: Sequence[int], /) -> str:
        """The text of a response, without the token that ended it."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """What trains."""
        ...

    def gathered(self) -> AbstractContextManager[None]:
        """Around reading the weights of `model` in the first process; entered by all.

        A model that is sharded over the processes is put together there, on the CPU, with its adapters beside.
        """
        ...


class Reference(Protocol):
    """A model that does not train, such as the initial policy, pi_ref of policy steps."""

    def log_probs(self, prompts: Sequence[Prompt], responses: Sequence[Sequence[int]], /) -> Sequence[float]:
        """Log pi_ref(y | x) in nats, summed over each response's ids, in order."""
        ...

    def log_distributions(self, responses: Responses, /) -> Tensor:
        """Log pi_ref(. | x, tokens before) of each response token, as `Policy.log_distributions`, without gradient.

        Ask it before the policy: with adapters it is the policy itself in another state.
        """
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


@dataclass(frozen=True)
class BuildContext:
    """What a part may hold on to; grows by optional fields only.

    `poll` is to be called often in long work (between tokens, items, batches): it lets the engine answer
    commands and pause, and raises when the run is to stop; let that exception pass. `notice` tells the user something
    once, in the run's log. `metric` adds a value, by name, to the optimizer step that is computed now or next: the
    mean of a step's values is written with its metrics, and shown as a chart of its own.
    """

    policy: Policy
    seed: int = 0
    poll: Callable[[], None] = lambda: None
    notice: Callable[[str], None] = lambda _: None
    metric: Callable[[str, float], None] = lambda _name, _value: None
    model: ModelSection | None = None
    """[model] of the configuration: what the policy was loaded from, and how."""
    decoding: Decoding = field(default_factory=Decoding)
    ranks: Ranks = field(default_factory=Alone)
    batch: int = 8
    """Responses that a forward pass may hold."""
    initial: Reference | None = None
    """pi_0."""
    load: Callable[[str], Reference] | None = None
    """Another model with the same tokenizer, by hub name or folder."""
    lower: LowerLevel | None = None
    """For policy steps alone."""
    reward: Reward | None = None
    """For objectives that have one."""
    beta: float = 1.0
    """reward.beta."""
    loss: LossSection | None = None
    """[loss] of the configuration; for objectives alone."""


@dataclass(frozen=True)
class LowerLevel:
    """What a policy step works on: max over pi of E r - beta KL(pi || pi_ref)."""

    beta: float
    reference: Reference
    folder: Path
    """Where a policy step may keep what it has drawn (samples/ of the run)."""
