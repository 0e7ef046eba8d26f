"""The samplers irltui ships: declared here, without torch, and built in the modules beside."""

from __future__ import annotations

from pydantic import Field

from irltui.api import BuildContext, Sampler, SamplerSpec, hookimpl


class Transformers(SamplerSpec):
    """transformers' `generate`, one random stream a prompt: works with every causal language model."""

    batch: int = Field(default=32, ge=1)
    """Prompts generated together; memory grows with it."""

    def build(self, context: BuildContext) -> Sampler:
        """The sampler over the policy's model."""
        from irltui.lm.policy import LanguageModelPolicy
        from irltui.samplers.transformers import TransformersSampler

        if not isinstance(context.policy, LanguageModelPolicy):
            raise TypeError(f"needs a transformers model to draw from, not a {type(context.policy).__name__}")
        return TransformersSampler(context.policy, self.batch, context.poll)


@hookimpl
def irltui_samplers() -> dict[str, type[SamplerSpec]]:
    """Samplers by name."""
    return {"transformers": Transformers}
