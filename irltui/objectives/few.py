"""Few demonstrations: each is better than what the policy says, and a later policy better than an earlier one.

    L = softplus(-beta (D(w) - D(l))),  D = log(pi / pi_ref)

w and l are, in these shares: a demonstration and a generation of this outer iteration (0.7), a demonstration and an
earlier generation (0.2), a later and an earlier generation (0.1). All generations are kept. pi_ref is the start model,
which should be a light SFT (learning rate 3e-5, to a loss of about 1.0): a rolling one costs a third of the gain there.

Source: DITTO (arXiv 2406.00888). Defaults: 10 generations per demonstration every 10 steps, beta 0.05, batch 24, 40
steps, fixed reference; loss.kind may be another link.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from irltui.api import BuildContext, Objective, ObjectiveSpec, Replay


class Few(ObjectiveSpec):
    """Comparisons of demonstrations with all generations so far, and of later with earlier ones."""

    reward = "implicit"
    defaults: ClassVar[Mapping[str, Any]] = {
        "reward": {"beta": 0.05},
        "reference": {"kind": "fixed"},
        "loop": {"passes": 4, "outer_iterations": 1, "inner_steps": 10, "batch": 24},
    }

    generations: int = Field(default=10, ge=1)
    """Generations per demonstration and outer iteration."""
    earlier: float = Field(default=0.2, ge=0, le=1)
    """Share of comparisons of a demonstration with an earlier generation."""
    between: float = Field(default=0.1, ge=0, le=1)
    """Share of comparisons of a later generation with an earlier one."""

    @model_validator(mode="after")
    def _leaves_some(self) -> Few:
        if self.earlier + self.between > 1:
            raise ValueError("objective.earlier and objective.between are shares: together at most 1")
        return self

    @property
    def draws(self) -> int:
        return self.generations

    @property
    def replays(self) -> Replay:
        return Replay(1 - self.earlier - self.between, self.earlier, self.between)

    def build(self, context: BuildContext) -> Objective:
        from irltui.objectives.gap import gap_loss

        return gap_loss(context)
