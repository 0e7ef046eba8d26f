"""A KV cache of slots: rows that begin at different times, written in place behind transformers' cache interface.

All rows end at the same column, so that a step writes one column for all of them. Where a row begins is a matter
of the attention mask; what lies before that is left over from earlier rows and never seen.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin


@dataclass
class Place:
    """Where the next forward pass writes.

    Attributes:
        slots: rows of the cache.
        columns: its length.
        dtype: what keys and values are kept in; None for the model's own.
        rows: the rows of the forward pass; None for the first `count` of a step that adds one column.
        count: rows in use.
        first: the first column that a row in use still needs.
        column: the column that a step writes, and behind which new rows end.
    """

    slots: int
    columns: int
    dtype: torch.dtype | None = None
    rows: Tensor | None = None
    count: int = 0
    first: int = 0
    column: int = 0


class SlotLayer(CacheLayerMixin):
    """Keys and values of one layer, (slots, heads, columns, dimension)."""

    is_sliding = False  # the mask sees to it

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Allocate all slots with zeros: unwritten values must be finite, masked or not."""
        place = self._place
        self.keys = _allocated(key_states, place)
        self.values = _allocated(value_states, place)
        self.is_initialized = True

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Write the new keys and values; return those that the new tokens may attend to."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        assert self.keys is not None and self.values is not None  # noqa: S101, PT018 - for the type checker
        place = self._place
        if place.rows is not None:  # new rows look at themselves alone
            begin = place.column - key_states.shape[2]
            self.keys[place.rows, :, begin : place.column] = key_states.to(self.keys.dtype)
            self.values[place.rows, :, begin : place.column] = value_states.to(self.values.dtype)
            return key_states, value_states
        self.keys[: place.count, :, place.column] = key_states[:, :, 0]
        self.values[: place.count, :, place.column] = value_states[:, :, 0]
        seen = slice(place.first, place.column + 1)
        return self.keys[: place.count, :, seen], self.values[: place.count, :, seen]

    def move_row(self, old: int, new: int) -> None:
        for kept in self._kept():
            kept[new] = kept[old]

    def shift(self, by: int) -> None:
        place = self._place
        for kept in self._kept():
            kept[: place.count, :, : place.column - by] = kept[: place.count, :, by : place.column].clone()

    def _kept(self) -> tuple[Tensor, ...]:
        return () if self.keys is None or self.values is None else (self.keys, self.values)

    def get_seq_length(self) -> int:
        """Unused: positions are given."""
        return 0

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Unused: masks are given."""
        return query_length, 0

    def get_max_length(self) -> int:
        return self._place.columns


@dataclass
class SlotCache:
    """The layers, and where they write."""

    place: Place
    layers: int
    cache: Cache = field(init=False)

    def __post_init__(self) -> None:
        self._slots = [SlotLayer(self.place) for _ in range(self.layers)]
        self.cache = Cache(layers=[*self._slots])

    def move_row(self, old: int, new: int) -> None:
        for layer in self._slots:
            layer.move_row(old, new)

    def shift(self, by: int) -> None:
        """Drop the first `by` columns."""
        for layer in self._slots:
            layer.shift(by)
        self.place.column -= by


def _allocated(states: Tensor, place: Place) -> Tensor:
    shape = (place.slots, states.shape[1], place.columns, states.shape[3])
    return torch.zeros(shape, dtype=place.dtype or states.dtype, device=states.device)
