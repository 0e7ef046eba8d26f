"""Where vLLM takes weights from: what its versions ask of it differs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from irltui_vllm.weights import weight_source


class OldSource(ABC):
    """As vLLM 0.29 to 0.32 declare it."""

    @abstractmethod
    def metadata(self) -> list[Any]: ...

    @abstractmethod
    def __iter__(self) -> Any: ...


class NewSource(ABC):
    """As vLLM 0.33 does."""

    def __init_subclass__(cls) -> None:
        assert isinstance(vars(cls)["metadata"], cached_property)

    @property
    @abstractmethod
    def metadata(self) -> list[Any]: ...

    def iter_full(self) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("declared", [OldSource, NewSource])
def test_weights_are_declared_and_sent_as_each_version_of_vllm_asks(declared: Any) -> None:
    base = SimpleNamespace(WeightSource=declared, ParamMeta=lambda *row: row)
    source = weight_source(base)
    source.named = {"a": torch.ones(2, 3), "b": torch.zeros(1, dtype=torch.bfloat16)}
    metadata = source.metadata if declared is NewSource else source.metadata()
    assert metadata == [("a", torch.float32, (2, 3)), ("b", torch.bfloat16, (1,))]
    sent = source.iter_full() if declared is NewSource else iter(source)
    assert [(name, tensor.tolist()) for name, tensor in sent] == [("a", [[1.0] * 3] * 2), ("b", [0.0])]
