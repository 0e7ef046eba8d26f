"""NCE: tell demonstrations from generations one by one, not in pairs; with beta 1 an inner loop does not overshoot.

    L = softplus(log mu - r(x, y)) + mu * mean of softplus(r(x, y~) - log mu),  r = beta log(pi / pi_ref)

mu is the number of generations per demonstration. The inner optimum at beta 1 is the demonstrations' distribution
itself, whatever the number of outer iterations (F7 in docs/method.md); smaller beta goes past it, as IRFT does.
The reference must be the policy that the generations came from, so it has to roll.

Sources: SPACE (arXiv 2512.07175), GSIL (2410.10093). Defaults: beta 1, one generation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from irltui.api import Batch, BuildContext, Objective, ObjectiveSpec

if TYPE_CHECKING:
    from torch import Tensor

_WHY = (
    "their ratio to the policy that made them separates generations from demonstrations; a reference that stays "
    "behind makes that oscillate; set it to 'rolling' (with one outer iteration that is the initial policy)"
)


class Nce(ObjectiveSpec):
    """Unpaired logistic loss: demonstrations against generations, without overshoot at beta 1."""

    reward = "implicit"
    reads_gaps = False
    refuses: ClassVar[Mapping[str, str]] = {"fixed": _WHY, "mix": _WHY}
    defaults: ClassVar[Mapping[str, Any]] = {"reward": {"beta": 1.0}}

    generations: int = Field(default=1, ge=1)
    """Generations per demonstration (mu)."""

    @property
    def draws(self) -> int:
        return self.generations

    def build(self, context: BuildContext) -> Objective:
        return NceLoss()


class NceLoss(Objective):
    """The loss above."""

    def losses(self, batch: Batch) -> Tensor:
        from torch.nn.functional import softplus

        demonstration, generations = batch.rewards()
        mu = generations.shape[-1]
        return softplus(math.log(mu) - demonstration) + mu * softplus(generations - math.log(mu)).mean(-1)
