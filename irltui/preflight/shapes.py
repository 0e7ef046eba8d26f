"""A model's shapes, from its configuration alone: built without weights, so 70B costs as little as 135M."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from irltui.config.schema import AdapterSection, ModelSection
from irltui.lm.load import add_adapter, empty_model
from irltui.lm.precision import linear_weights, widths_of


@dataclass(frozen=True)
class Shapes:
    """The sizes that memory and time follow from.

    Attributes:
        parameters: all of them, shared ones once.
        trained: those with a gradient; all of them without an adapter.
        body: weights of linear layers that every token passes through.
        head: weights of the output layer, which only response tokens pass.
        layers: transformer blocks.
        hidden: width of the residual stream.
        inner: width inside a block's feed-forward part.
        attended: width of all query heads.
        cached: width of keys and values together, per token and layer.
        vocabulary: rows of the output layer.
        widths: total input and output width of a block's linear layers.
    """

    parameters: int
    trained: int
    body: int
    head: int
    layers: int
    hidden: int
    inner: int
    attended: int
    cached: int
    vocabulary: int
    widths: int


def shapes(section: ModelSection, adapter: AdapterSection) -> Shapes:
    """The shapes of the model that a run would train."""
    model = empty_model(section)
    config: Any = model.config.get_text_config()
    parameters, head = model.num_parameters(), model.get_output_embeddings()
    linear, (hidden, inner) = linear_weights(model), widths_of(model)
    trained = parameters
    if adapter.kind == "lora":
        with torch.device("meta"):
            model = add_adapter(model, adapter, seed=0)
        trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    heads = getattr(config, "num_attention_heads", 1)  # recurrent models have none
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    fewer = getattr(config, "num_key_value_heads", None) or heads
    return Shapes(
        parameters=parameters,
        trained=trained,
        body=sum(weight.numel() for weight in linear),
        head=head.weight.numel(),
        layers=config.num_hidden_layers,
        hidden=hidden,
        inner=inner,
        attended=heads * width,
        cached=2 * fewer * width,
        vocabulary=head.weight.shape[0],
        widths=sum(sum(weight.shape) for weight in linear) // config.num_hidden_layers,
    )
