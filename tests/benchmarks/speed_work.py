"""The work that a pair update cannot do without, and how fast this machine multiplies matrices of those shapes.

Counted once for a pair: its prompt, both responses, the head for response tokens alone; backward is twice forward.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

Shape = tuple[int, int]
SQUARE, REPEATS = 2048, 7


@dataclass(frozen=True)
class Model:
    """Matrices of the trunk (inputs, outputs) with their number, the head's, and the width of attention."""

    trunk: Counter[Shape]
    head: Shape
    layers: int
    attention: int


@dataclass(frozen=True)
class Lengths:
    """Tokens of one pair; end-of-sequence included."""

    prompt: int
    demonstration: int
    generation: int


def shapes(folder: str | Path) -> Model:
    """Of a transformers folder, without its weights."""
    config = AutoConfig.from_pretrained(folder)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    head = model.get_output_embeddings()
    linear = [m for m in model.modules() if isinstance(m, nn.Linear) and m is not head]
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Model(
        Counter((m.in_features, m.out_features) for m in linear),
        (head.in_features, head.out_features),
        config.num_hidden_layers,
        config.num_attention_heads * width,
    )


def pair_flops(model: Model, pair: Lengths) -> float:
    """Forward and backward of one pair. The last token of a response predicts nothing, so it is not computed."""
    x, y, z = pair.prompt, pair.demonstration - 1, pair.generation - 1
    trunk = 2 * (x + y + z) * sum(count * i * o for (i, o), count in model.trunk.items())
    head = 2 * (y + z + 1) * model.head[0] * model.head[1]  # the prompt's last token begins both responses
    seen = x * (x + 1) / 2 + sum(n * x + n * (n + 1) / 2 for n in (y, z))  # keys that all queries look at
    return 3 * (trunk + head + 4 * model.attention * model.layers * seen)


def rate_of_shapes(model: Model, tokens: int, head_rows: int) -> float:
    """FLOP/s of `torch.mm` in bfloat16 over the products of one micro-batch, forward and backward."""
    flops = seconds = 0.0
    products = [(tokens, shape, count) for shape, count in model.trunk.items()] + [(head_rows, model.head, 1)]
    for rows, (inputs, outputs), count in products:
        x, w, g = _random(rows, inputs), _random(outputs, inputs), _random(rows, outputs)
        for product in (_product(x, w.t()), _product(g, w), _product(g.t(), x)):
            seconds += count * _best(product)
            flops += count * 2.0 * rows * inputs * outputs
    return flops / seconds


def rate_of_squares() -> float:
    """The same of large square matrices: what the machine reaches where shapes do not hinder it."""
    a, b = _random(SQUARE, SQUARE), _random(SQUARE, SQUARE)
    return 2.0 * SQUARE**3 / _best(_product(a, b))


def _random(rows: int, columns: int) -> torch.Tensor:
    return torch.randn(rows, columns).to(torch.bfloat16)


def _product(a: torch.Tensor, b: torch.Tensor) -> Callable[[], object]:
    return lambda: torch.mm(a, b)


def _best(work: Callable[[], object]) -> float:
    """CPU seconds of the fastest of some repeats: what else the machine does only slows."""
    best = float("inf")
    with torch.inference_mode():
        for _ in range(REPEATS):
            began, times = time.process_time(), 0
            while not times or time.process_time() - began < 0.02:
                work()
                times += 1
            best = min(best, (time.process_time() - began) / times)
    return best
