"""An error of the allocator is recognised as such, and no other error is taken for one."""

from __future__ import annotations

import pytest
import torch

from irltui.engine.exhausted import ran_out


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory."),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: you tried"),
        RuntimeError("unable to mmap 1024 bytes: Cannot allocate memory (12)"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_each_way_of_running_out_is_known(error: Exception) -> None:
    assert ran_out(error)
    outer = ValueError("cannot load")
    outer.__cause__ = error
    assert ran_out(outer)


@pytest.mark.parametrize("error", [ValueError("x"), RuntimeError("shape mismatch"), OSError(2, "no such file"), None])
def test_other_errors_are_not(error: Exception | None) -> None:
    assert not ran_out(error)
