"""The policy steps irltui ships: declared here, without torch, and built in the modules beside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from irltui.api import BuildContext, PolicyUpdate, UpdateSpec, hookimpl


class _Steps(UpdateSpec):
    """Options of every built-in policy step."""

    steps: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Policy steps per outer iteration; auto goes once over the iteration's prompts."""
    prompts: int = Field(default=8, ge=1)
    """Prompts a policy step."""


class Rloo(_Steps):
    """Policy gradient with the other generations of a prompt as baseline, the KL to pi_ref inside the return."""

    generations: int = Field(default=4, ge=2)
    """Fresh generations a prompt, n."""

    def build(self, context: BuildContext) -> PolicyUpdate:
        """The step over the run's lower level."""
        from irltui.updates.rloo import RlooUpdate

        return RlooUpdate(context, self.generations, self.prompts, self.steps)


class Boltzmann(_Steps):
    """Maximum likelihood of generations from pi_ref weighted by exp(r / beta): the closed form, projected."""

    generations: int = Field(default=8, ge=2)
    """Generations a prompt, G; drawn once a run and kept, since pi_ref stays."""

    def build(self, context: BuildContext) -> PolicyUpdate:
        """The step over the run's lower level."""
        from irltui.updates.boltzmann import BoltzmannUpdate

        return BoltzmannUpdate(context, self.generations, self.prompts, self.steps)


@hookimpl
def irltui_policy_updates() -> dict[str, type[UpdateSpec]]:
    """Policy steps by name."""
    return {"rloo": Rloo, "boltzmann": Boltzmann}
