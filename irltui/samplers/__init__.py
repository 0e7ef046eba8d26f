"""The samplers that irltui ships: options declared here without torch, built by the modules beside."""

from __future__ import annotations

from pydantic import Field

from irltui.api import BuildContext, Sampler, SamplerSpec, hookimpl


class Slots(SamplerSpec):
    """A fixed number of rows, each taken by the next prompt as soon as its generation ends; for transformers' models.

    Models that do not accept attention masks are sampled by transformers' `generate`, with a notice.
    """

    slots: int = Field(default=64, ge=1)
    """Generations sampled at the same time; the key-value cache grows with it."""

    def build(self, context: BuildContext) -> Sampler:
        from irltui.lm.policy import language_model
        from irltui.samplers.slots import SlotSampler

        return SlotSampler(language_model(context.policy), self.slots, context.poll, context.notice)


class Transformers(SamplerSpec):
    """transformers' `generate` with one random stream per prompt; works with every causal language model."""

    batch: int = Field(default=32, ge=1)
    """Prompts generated together; memory grows with it."""

    def build(self, context: BuildContext) -> Sampler:
        from irltui.lm.policy import language_model
        from irltui.samplers.transformers import TransformersSampler

        return TransformersSampler(language_model(context.policy), self.batch, context.poll, context.notice)


@hookimpl
def irltui_samplers() -> dict[str, type[SamplerSpec]]:
    return {"slots": Slots, "transformers": Transformers}
