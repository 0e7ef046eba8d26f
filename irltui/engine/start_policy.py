"""The policy as a run begins: its model on its device, with new adapters, sharded over the ranks if asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from accelerate import Accelerator

from irltui.api import prompt_seed
from irltui.config.schema import RunConfig
from irltui.distributed import launch, ranks
from irltui.distributed.load_once import read_by_first
from irltui.distributed.sharding import Sharding, make_sharding
from irltui.lm.initial import initial_loader
from irltui.lm.load import add_adapter, checkpoint_activations, load_model
from irltui.lm.pairs import SharedPrompts
from irltui.lm.policy import LanguageModelPolicy
from irltui.lm.precision import compute_precision, widths_of
from irltui.lm.quantized import check_trainable


def make_policy(
    config: RunConfig, tokenizer: Any, ends: frozenset[int], notice: Callable[[str], None] = lambda _: None
) -> tuple[LanguageModelPolicy, Accelerator]:
    """The policy as it begins, adapters included, on its device; and what computes its gradients."""
    check_trainable(config)
    shard = launch.take_fsdp() or config.model.shard == "fsdp2"
    device = ranks.start().device or torch.device("cpu")
    together = shard and ranks.count() > 1
    load = partial(load_model, config.model)
    model = read_by_first(load) if together else load()
    load_initial = initial_loader(config.model, model)
    size, widths = model.num_parameters(), widths_of(model)
    if config.adapter.kind == "lora":
        model = add_adapter(model, config.adapter, prompt_seed(config.seed, "adapter"))
    # The first rank chooses for all.
    precision = ranks.from_first(lambda: compute_precision(config.model, size, widths, device, notice))
    accelerator = Accelerator(mixed_precision=precision)
    shared = SharedPrompts(notice) if config.loop.share_prefix else None
    sharding = _sharding(accelerator, notice) if shard else None
    if sharding is None:
        if config.model.quantization == "off":  # 4-bit weights are there already
            model.to(accelerator.device)
    elif shared is not None:
        shared.try_on_first(model)  # while it is whole: which rank meets the first pairs depends on the data
    if config.model.gradient_checkpointing:
        checkpoint_activations(model)
    policy = LanguageModelPolicy(
        model,
        tokenizer,
        ends,
        load_initial,
        autocast=accelerator.autocast,
        sharding=sharding,
        shared=shared,
    )
    return policy, accelerator


def _sharding(accelerator: Accelerator, notice: Callable[[str], None]) -> Sharding | None:
    if ranks.count() == 1:
        notice("The model is not sharded: this run has one process.")
        return None
    dtype = torch.bfloat16 if accelerator.mixed_precision == "bf16" else None
    return make_sharding(accelerator.device, dtype)
