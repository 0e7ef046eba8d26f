"""The policy steps that irltui ships: options declared here without torch, built by the modules beside."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from irltui.api import BuildContext, PolicyUpdate, UpdateSpec, hookimpl


class _Steps(UpdateSpec):
    steps: Annotated[int, Field(ge=1)] | Literal["auto"] = "auto"
    """Policy steps per outer iteration; auto goes over the iteration's prompts once."""
    prompts: int = Field(default=8, ge=1)
    """Prompts per policy step."""


class Rloo(_Steps):
    """Policy gradient with a prompt's other generations as baseline and the KL to pi_ref inside the return."""

    generations: int = Field(default=4, ge=2)
    """n, new generations per prompt."""

    def build(self, context: BuildContext) -> PolicyUpdate:
        from irltui.updates.rloo import RlooUpdate

        return RlooUpdate(context, self.generations, self.prompts, self.steps)


class Boltzmann(_Steps):
    """Maximum likelihood of generations from pi_ref weighted by exp(r / beta): the projected closed form."""

    generations: int = Field(default=8, ge=2)
    """G, generations per prompt; sampled once per run and kept, since pi_ref does not change."""

    def build(self, context: BuildContext) -> PolicyUpdate:
        from irltui.updates.boltzmann import BoltzmannUpdate

        return BoltzmannUpdate(context, self.generations, self.prompts, self.steps)


@hookimpl
def irltui_policy_updates() -> dict[str, type[UpdateSpec]]:
    return {"rloo": Rloo, "boltzmann": Boltzmann}
