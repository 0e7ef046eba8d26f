"""Custom attention masks, in the form in which a transformers model takes them.

transformers passes a ready 4-D mask on to its attention as it is; models with several kinds of attention take one
for each kind. Rows and columns may lie in any order: positions come from `position_ids`, not from places.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

_FULL, _SLIDING = "full_attention", "sliding_attention"
Masks = Tensor | dict[str, Tensor]


class UnsupportedModelError(Exception):
    """The model does not take custom masks."""


@dataclass(frozen=True)
class MaskForm:
    """What a model wants.

    Attributes:
        kinds: names of its kinds of attention; empty if it takes one mask for all layers.
        window: how many positions back its sliding layers see, itself included; None without such layers.
        additive: whether masks are added to the scores, instead of True where one may look.
    """

    kinds: tuple[str, ...]
    window: int | None
    additive: bool

    def masks(self, keep: Tensor, distance: Tensor) -> Masks:
        """The masks of a forward pass.

        Args:
            keep: (B, queries, keys) bool, True where a query may look at a key.
            distance: how many positions a key lies before its query, int, broadcastable to `keep`.
        """
        near = keep if self.window is None else keep & (distance < self.window)
        if not self.kinds:
            return self._formed(near)
        return {kind: self._formed(near if kind == _SLIDING else keep) for kind in self.kinds}

    def _formed(self, keep: Tensor) -> Tensor:
        keep = keep[:, None]
        if not self.additive:
            return keep
        lowest = torch.finfo(torch.float32).min
        return torch.zeros(keep.shape, device=keep.device).masked_fill_(~keep, lowest)


@contextmanager
def trial_of(model: Any) -> Generator[None]:
    """While inside, errors other than a lack of memory mean UnsupportedModelError."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, LookupError, AttributeError) as error:
        raise UnsupportedModelError(f"{type(error).__name__} in {type(model).__name__}") from error


def mask_form(model: Any) -> MaskForm:
    """How a causal language model takes its masks.

    Raises:
        UnsupportedModelError: it has layers, or an attention kernel, that no such mask can rule.
    """
    config = model.config.get_text_config()
    kernel = config._attn_implementation
    if kernel not in {"sdpa", "eager"}:
        raise UnsupportedModelError(f"the attention kernel {kernel!r} takes no mask")
    kinds = set(getattr(config, "layer_types", None) or ())
    if others := kinds - {_FULL, _SLIDING}:
        raise UnsupportedModelError(f"{type(model).__name__} has layers of {', '.join(sorted(others))}")
    window = getattr(config, "sliding_window", None)
    if kinds and _SLIDING not in kinds:
        kinds, window = set(), None
    return MaskForm(tuple(sorted(kinds)), window, additive=kernel == "eager")
