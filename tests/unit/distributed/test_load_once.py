"""What a rank gets of a model that another has read: everything but the weights, or a plain no."""

from __future__ import annotations

from collections.abc import Callable
from types import MethodType
from typing import Any

import pytest
import torch

from irltui.config.schema import AdapterSection, ModelSection
from irltui.distributed.load_once import _packed, _unpacked, blank_copy
from irltui.lm.load import add_adapter, checkpoint_activations, load_model
from support.tiny import SIZES, folder


@pytest.mark.parametrize("kind", ["off", "lora"])
@pytest.mark.parametrize("family", SIZES)
def test_the_form_arrives_with_buffers_ties_and_what_trains(tmp_path, family: str, kind: str) -> None:
    model = load_model(ModelSection(name=str(folder(tmp_path / "m", family))))
    if kind == "lora":
        model = add_adapter(model, AdapterSection(kind="lora", rank=2), 0)
    packed = _packed(blank_copy(model))
    assert packed is not None
    received = _unpacked(packed)
    ours = dict(model.named_parameters(remove_duplicate=False))
    theirs = dict(received.named_parameters(remove_duplicate=False))
    assert list(ours) == list(theirs)
    for name, parameter in ours.items():
        there = theirs[name]
        assert there.is_meta
        assert (there.shape, there.dtype, there.requires_grad) == (
            parameter.shape,
            parameter.dtype,
            parameter.requires_grad,
        )
    assert len(set(map(id, ours.values()))) == len(set(map(id, theirs.values())))
    buffers = dict(received.named_buffers())
    assert all(torch.equal(buffers[name], buffer) for name, buffer in model.named_buffers())
    assert not received.training
    assert len(packed) < 100_000


def _kernel(model: Any) -> None:
    model.model.norm.forward = MethodType(type(model.model.norm).forward, model.model.norm)


@pytest.mark.parametrize("change", [_kernel, checkpoint_activations], ids=["a function put in", "a nameless hook"])
def test_a_form_that_would_arrive_as_another_is_not_sent(tmp_path, change: Callable[[Any], None]) -> None:
    model = load_model(ModelSection(name=str(folder(tmp_path / "m"))))
    change(model)
    assert _packed(blank_copy(model)) is None


def test_a_class_that_is_not_to_be_had_here_is_no_error() -> None:
    assert _unpacked(b"cnowhere.own\nOwn\n.") is None
    assert _unpacked(b"cirltui.ranks\nOwn\n.") is None
