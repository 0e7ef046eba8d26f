"""One number for a response: a transformers trunk with a scalar head, read at the last response token.

The position comes from the response mask, not from the pad id that transformers looks for: where pad and
end-of-sequence share an id, its own pooling would read one token too early.
"""

from __future__ import annotations

import copy
from collections.abc import Generator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from irltui.api import Responses
from irltui.config.schema import AdapterSection, ModelSection
from irltui.distributed import ranks
from irltui.distributed.sharding import Sharding, Shards
from irltui.errors import ModelError
from irltui.lm.load import add_adapter, decoder_layers, load_classifier
from irltui.lm.policy import Autocast

_HEAD = "score"  # what transformers calls a head over every token; heads behind a pooler have other names


class Scorer:
    """A trunk and its head.

    Args:
        model: a transformers sequence-classification model with one label, on its device.
        autocast: context in which it computes.
        sharding: how to shard it over the ranks; None leaves it whole.

    Raises:
        ModelError: it has no linear head over every position.
    """

    def __init__(self, model: Any, *, autocast: Autocast = nullcontext, sharding: Sharding | None = None) -> None:
        self.model = model
        self._inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        self._autocast = autocast
        if getattr(getattr(self._inner, _HEAD, None), "out_features", None) != 1:
            raise ModelError(
                f"reward.model: {type(self._inner).__name__} has no head of one number over every token",
                "Take a causal language model whose family has a ...ForSequenceClassification class (Llama, OPT ...).",
            )

        self._shards: Shards | None = None
        if sharding is not None:
            self._shards = sharding.shard(model, self._inner.base_model, getattr(self._inner, _HEAD))

    def prefix_scores(self, responses: Responses) -> Tensor:
        """The head's value after every token, (B, L) float32, differentiable; values at padding are meaningless."""
        with self._autocast(), ranks.noticing():
            hidden = self._inner.base_model(
                input_ids=responses.input_ids, attention_mask=responses.attention_mask.long(), use_cache=False
            )[0]
            return getattr(self._inner, _HEAD)(hidden)[..., 0].float()

    def score(self, responses: Responses) -> Tensor:
        """The value at each response's last token, (B,) float32, differentiable."""
        values = self.prefix_scores(responses)
        places = torch.arange(values.shape[1], device=values.device)
        last = (responses.response_mask * places).argmax(-1)
        return values.gather(1, last[:, None])[:, 0]

    def zero_head(self) -> None:
        """Set the head to zero, so that a new reward scores everything 0."""
        with torch.no_grad():
            for parameter in getattr(self._inner, _HEAD).parameters():
                parameter.zero_()

    @contextmanager
    def gathered(self) -> Generator[None]:
        """Give the first rank complete `model` and `trained`, for saving. Collective if it is sharded."""
        shards, sharded = self._shards, self.model
        plain = None if shards is None else shards.on_first()
        if plain is None:
            yield
            return
        self.model, self._shards = plain, None
        try:
            yield
        finally:
            self.model, self._shards = sharded, shards

    def trained(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name; do not change them between a pass with a gradient and its backward pass."""
        if self._shards is not None:
            self._shards.reshard()  # what lies gathered would not see a change
            return self._shards.trained
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}


def load_scorer(section: ModelSection, adapter: AdapterSection, seed: int) -> Scorer:
    """A scorer on the CPU, its trunk from `section`; a head that does not come with the weights begins at zero."""
    model, has_head = load_classifier(section, seed)
    if adapter.kind == "lora":
        model = add_adapter(model, adapter, seed, task="SEQ_CLS")
    scorer = Scorer(model)
    if not has_head:
        scorer.zero_head()
    return scorer


def export_scorer(scorer: Scorer, tokenizer: Any, eos_ids: frozenset[int], folder: Path) -> None:
    """Write a folder that `AutoModelForSequenceClassification.from_pretrained` loads, tokenizer included.

    transformers reads the score before the first pad id from the right, so its pad id is one that ends no response.
    LoRA is merged, which cannot be undone.
    """
    model = scorer.model
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    tokenizer = copy.deepcopy(tokenizer)
    pad = _pad_id(tokenizer, eos_ids)
    model.config.get_text_config().pad_token_id = pad
    model.config.pad_token_id = pad
    if pad is not None:
        tokenizer.pad_token = tokenizer.convert_ids_to_tokens(pad)
    tokenizer.padding_side = "right"
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)


def _pad_id(tokenizer: Any, eos_ids: frozenset[int]) -> int | None:
    """The tokenizer's padding id, or another special token if that may end a response."""
    special = [tokenizer.pad_token_id, *tokenizer.all_special_ids, *sorted(tokenizer.added_tokens_decoder)]
    return next((i for i in special if i is not None and i not in eos_ids), tokenizer.pad_token_id)


def freeze_lowest(model: Any, count: int) -> None:
    """Let so many of the lowest layers stay as they are, and the embeddings with them."""
    layers = decoder_layers(model)
    if count > len(layers):
        raise ModelError(
            f"reward.freeze: {count} layers, but {type(model).__name__} has {len(layers)}",
            "Lower reward.freeze; the number of layers freezes all but the head.",
        )
    embeddings = [module for module in model.base_model.modules() if isinstance(module, nn.Embedding)]
    for module in (*embeddings, *layers[:count]):
        module.requires_grad_(requires_grad=False)
