"""Memory that ran out, wherever it did: how to recognise it, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from accelerate.utils.memory import should_reduce_batch_size

OUT = "out of memory"
LOWER = (
    "Lower loop.micro_batch, sampler.slots, evaluation.held_out_pairs or the lengths in [data]; "
    'model.gradient_checkpointing, model.dtype = "bfloat16" and adapter.kind = "lora" save most.'
)


class ExhaustedError(RuntimeError):
    """Memory has run out in a step of some ranks, and all know that the step is not taken."""

    def __init__(self, ranks: Sequence[int]) -> None:
        super().__init__(f"{OUT} on ranks {ranks}")
        self.ranks = ranks


_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "std::bad_alloc", "Cannot allocate memory")


def ran_out(error: BaseException | None) -> bool:
    """Whether an error says that memory ran out, or was raised from one that does."""
    while error is not None:
        if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
            return True
        if isinstance(error, (RuntimeError, OSError)):
            if any(word in str(error) for word in _WORDS):
                return True
            if isinstance(error, RuntimeError) and should_reduce_batch_size(error):
                return True
        error = error.__cause__
    return False
