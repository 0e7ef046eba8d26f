"""The ranks of a run, by accelerate: index and count, shares, gathers and sums.

All ranks run the same program in step; whatever is collective here must be called by all of them in the same
order, and raises RankLostError when one has left. A run of one process is a run of one rank: everything is its share,
and nothing is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TypeVar

import torch
from accelerate import PartialState
from accelerate.utils import broadcast, broadcast_object_list, gather_object, reduce
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor

from irltui.errors import IrltuiError

_T = TypeVar("_T")
PATIENCE = timedelta(hours=12)
"""How long a rank waits for the others: they may sample or export; one that died is noticed at once."""
_BUCKET = 1 << 26  # gradient elements sent at once
_apart = 0


class RankLostError(IrltuiError):
    """Another rank has left, so no collective operation can finish."""


def start() -> PartialState:
    """Join the process group; call before the first use of a device or a collective."""
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)


def leave() -> None:
    """Leave the process group when all ranks are done. Collective."""
    if count() > 1:
        with suppress(RuntimeError):  # one that has gone already is no fault any more
            start().wait_for_everyone()
        start().destroy_process_group()


def index() -> int:
    return start().process_index


def count() -> int:
    return start().num_processes


def is_first() -> bool:
    """Whether this is the rank that writes files."""
    return index() == 0


def share(items: Sequence[_T]) -> Sequence[_T]:
    """Every count-th item, beginning with this rank's."""
    return items[index() :: count()]


def block(items: Sequence[_T]) -> Sequence[_T]:
    """This rank's contiguous block of `items`, so that items sorted by length stay together."""
    size = -(-len(items) // count())
    return items[index() * size : (index() + 1) * size]


def passes(items: Sequence[_T]) -> list[tuple[_T, bool]]:
    """This rank's of `items`, and whether each counts.

    All ranks take equally many, since passes through a sharded model are collective: one that would have fewer
    repeats the first and throws away what comes of it. The others are busy meanwhile.
    """
    mine = [(item, True) for item in share(items)]
    if len(mine) < -(-len(items) // count()):
        mine.append((items[0], False))
    return mine


@contextmanager
def apart() -> Generator[None]:
    """Inside, ranks work independently: no collective operation may be called."""
    global _apart  # noqa: PLW0603 - a process is one rank
    _apart += 1
    try:
        yield
    finally:
        _apart -= 1


def in_step() -> bool:
    """Whether collective operations may be called here; always true for one rank."""
    return not _apart or count() == 1


def gather(rows: Sequence[_T]) -> list[_T]:
    """The rows of all ranks, on every rank, in the ranks' order. Collective."""
    with noticing(every=True):
        return list(gather_object(list(rows)))


def from_first(make: Callable[[], _T]) -> _T:
    """What the first rank makes, on every rank; what it raises, too. Collective."""
    made: list[tuple[_T | None, IrltuiError | None]] = [(None, None)]
    if is_first():
        try:
            made = [(make(), None)]
        except IrltuiError as error:
            made = [(None, error)]
    with noticing(every=True):
        ((value, error),) = broadcast_object_list(made)
    if error is not None:
        raise error
    return value


def in_passes(
    batches: Sequence[Sequence[int]],
    compute: Callable[[Sequence[int]], Iterable[_T]],
    poll: Callable[[], None] = lambda: None,
) -> list[_T]:
    """What `compute` makes of each index, in the order of the indices; ranks share the batches. Collective.

    `poll` is called before each batch.
    """
    found: list[tuple[int, _T]] = []
    with apart():
        for batch, counts in passes(batches):
            poll()
            values = compute(batch)
            found += zip(batch, values, strict=True) if counts else ()
    return [value for _, value in sorted(gather(found), key=lambda pair: pair[0])]


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Make every parameter's gradient the sum of the ranks'; one that no rank has a gradient for stays without.

    Gradients of a sharded model are sums already. Losses are weighted by their share of the whole step, so the sum is
    the step's gradient: no mean, no scaling. Collective.
    """
    if count() == 1:
        return
    everything = [parameter for parameter in parameters if not is_sharded(parameter)]
    if not everything:
        return
    with noticing(every=True):
        has = torch.tensor([p.grad is not None for p in everything], dtype=torch.int32, device=start().device)
        known = reduce(has, "sum").tolist()
        moved = [p for p, ranks in zip(everything, known, strict=True) if ranks]
        for bucket in _buckets(moved):
            _sum_bucket(bucket)


def _sum_bucket(bucket: Sequence[nn.Parameter]) -> None:
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in bucket]
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    total, at = reduce(flat, "sum"), 0
    for parameter in bucket:
        size = parameter.numel()
        parameter.grad = total[at : at + size].view_as(parameter)
        at += size


def _buckets(parameters: Sequence[nn.Parameter]) -> Generator[list[nn.Parameter]]:
    """Parameters in order, each bucket of one dtype."""
    bucket: list[nn.Parameter] = []
    size = 0
    for parameter in parameters:
        if bucket and (size + parameter.numel() > _BUCKET or parameter.dtype != bucket[0].dtype):
            yield bucket
            bucket = list[nn.Parameter]()
            size = 0
        bucket.append(parameter)
        size += parameter.numel()
    if bucket:
        yield bucket


# -- tensors of which every rank holds a part ------------------------------------------------------


def is_sharded(tensor: Tensor) -> bool:
    """Whether the tensor is sharded: this rank holds a part of it."""
    return isinstance(tensor, DTensor)


def local(tensor: Tensor) -> Tensor:
    """This rank's shard, sharing its memory; the tensor itself if it is not sharded."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """The full tensor, detached. Collective if it is sharded."""
    with noticing(every=True):
        return tensor.full_tensor().detach() if isinstance(tensor, DTensor) else tensor.detach()


def on_cpu(tensor: Tensor, *, copy: bool) -> Tensor:
    """A plain tensor on the CPU, contiguous; with `copy` always one of its own memory."""
    return tensor.detach().to("cpu", copy=copy).contiguous()


def collected(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """The full tensors on the CPU if `keep`, else nothing. Collective if any is sharded."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value = whole(tensor) if keep or is_sharded(tensor) else tensor
        if keep:
            found[name] = on_cpu(value, copy=False)
    return found


def handed_out(tensor: Tensor, device: torch.device) -> Tensor:
    """The first rank's tensor on every rank's device; of the others' the shape and type count alone. Collective."""
    full = tensor.to(device).contiguous() if is_first() else torch.empty_like(tensor, device=device).contiguous()
    with noticing(every=True):
        return broadcast(full)


def part_of(full: Tensor, like: Tensor) -> Tensor:
    """`full`, which every rank holds, sharded as `like` is."""
    if not isinstance(like, DTensor):
        return full
    return distribute_tensor(full.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def put(tensor: Tensor, value: Tensor) -> None:
    """Set a tensor from another, which every rank holds whole, or sharded in the same way."""
    with torch.no_grad():
        local(tensor).copy_(local(value if is_sharded(value) else part_of(value, tensor)))


def summed(value: Tensor) -> Tensor:
    """The sum of the ranks' values. Collective."""
    with noticing(every=True):
        return value if count() == 1 else reduce(value, "sum")


@contextmanager
def noticing(*, every: bool = False) -> Generator[None]:
    """Turn torch's error about a closed connection into RankLostError; `every` RuntimeError, where none else is raised.

    For collective operations, and passes through a model, which are collective if it is sharded.
    """
    try:
        yield
    except RuntimeError as error:
        if count() == 1 or not (every or _is_of_a_connection(error)):
            raise
        raise RankLostError(f"another process of this run has left: {error}") from error


def _is_of_a_connection(error: RuntimeError) -> bool:
    """The errors of gloo have no type of their own."""
    return isinstance(error, torch.distributed.DistError) or any(word in str(error) for word in ("gloo", "Connection"))
