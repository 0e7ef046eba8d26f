"""The parts of a run as abstract classes, with their contracts: objective, reward, sampler, policy step, benchmark."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from irltui.api.context import Model
from irltui.api.data import Decoding, Generation, Prompt, Responses, Score

if TYPE_CHECKING:
    from torch import Tensor, nn

    from irltui.api.batch import Batch


class Objective(ABC):
    """What is minimised over the demonstrations. The engine weighs, adds up, takes the gradient and steps."""

    @abstractmethod
    def losses(self, batch: Batch) -> Tensor:
        """(B,) float32, one value per demonstration, differentiable; neither padding nor the batch may matter."""

    def metrics(self, batch: Batch) -> Mapping[str, Tensor]:
        """More to be written for each step: values per demonstration, (B,), by name; called after `losses`."""
        return {}

    def begin(self, t: int) -> None:  # noqa: B027 - optional
        """Outer iteration t starts. Not called again when a run resumes inside iteration t."""


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

    def losses(self, batch: Batch) -> Tensor | None:
        """(B,) float32: the reward's own loss of each demonstration, in place of `loss.kind` of the gap; None for that.

        Differentiable in `parameters()`; neither padding nor the batch may matter.
        """
        return None

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

        Only for a reward whose parameters are sharded over the processes: here it puts them together.
        """
        return nullcontext()

    def save(self, folder: Path) -> None:  # noqa: B027 - optional
        """Write what `load` needs; called for a checkpoint. Nothing to do if the policy is the only state."""

    def load(self, folder: Path) -> None:  # noqa: B027 - optional
        """Read what `save` wrote."""

    def export(self, folder: Path) -> None:
        """Write the learned reward into an empty folder, from which `RewardSpec.load` makes it again.

        Nothing trains afterwards. Write safetensors or JSON: `irltui export` leaves pickled files out.
        """
        self.save(folder)


class Sampler(ABC):
    """Draws y~ from the policy."""

    group: int = 256
    """Prompts the engine asks for at once, shortest first; a group that a crash interrupted is sampled again whole."""

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
    # If the loss is the sum of weight * log pi(y | x): what `irltui debug batch` shows of a step that fails.
    responses: Responses | None = None
    weight: Tensor | None = None  # (B,), without gradient


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
