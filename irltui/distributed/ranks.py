"""The processes that train one run together, by accelerate: who this one is, what they share, gather and sum.

All ranks run the same program in step; whatever is collective here must be called by all of them in the same
order. A run of one process is a run of one rank: everything is its share, and nothing is sent.
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
    """Another rank has left: nothing collective can be done any more."""


def start() -> PartialState:
    """Meet the other ranks, if a launcher started some; the first use of a device or of a collective follows."""
    return PartialState(cpu=not torch.accelerator.is_available(), timeout=PATIENCE)


def leave() -> None:
    """Part from the other ranks, when all are done. Collective."""
    if count() > 1:
        with suppress(RuntimeError):  # one that has gone already is no fault any more
            start().wait_for_everyone()
        start().destroy_process_group()


def index() -> int:
    """This rank, from 0."""
    return start().process_index


def count() -> int:
    """How many ranks there are."""
    return start().num_processes


def is_first() -> bool:
    """Whether this is the rank that writes."""
    return index() == 0


def share(items: Sequence[_T]) -> Sequence[_T]:
    """This rank's of `items`: every count-th."""
    return items[index() :: count()]


def block(items: Sequence[_T]) -> Sequence[_T]:
    """This rank's of `items`: neighbours, so that what is sorted by length stays together."""
    size = -(-len(items) // count())
    return items[index() * size : (index() + 1) * size]


def passes(items: Sequence[_T]) -> list[tuple[_T, bool]]:
    """This rank's of `items`, and whether each counts.

    All ranks take equally many, since passes through a model that is cut are collective: one that would have less
    repeats the first and throws away what comes of it. The others are busy meanwhile.
    """
    mine = [(item, True) for item in share(items)]
    if len(mine) < -(-len(items) // count()):
        mine.append((items[0], False))
    return mine


@contextmanager
def apart() -> Generator[None]:
    """Inside, ranks work at a pace of their own: nothing collective may happen."""
    global _apart  # noqa: PLW0603 - a process is one rank
    _apart += 1
    try:
        yield
    finally:
        _apart -= 1


def in_step() -> bool:
    """Whether something collective may happen here; one rank alone is always in step."""
    return not _apart or count() == 1


def gather(rows: Sequence[_T]) -> list[_T]:
    """The rows of all ranks, on every rank, in the ranks' order. Collective.

    Raises:
        RankLostError: a rank has left.
    """
    with _noticing():
        return list(gather_object(list(rows)))


def from_first(make: Callable[[], _T]) -> _T:
    """What the first rank makes, on every rank; what it raises, too. Collective.

    Raises:
        IrltuiError: the first rank met it.
        RankLostError: a rank has left.
    """
    made: list[tuple[_T | None, IrltuiError | None]] = [(None, None)]
    if is_first():
        try:
            made = [(make(), None)]
        except IrltuiError as error:
            made = [(None, error)]
    with _noticing():
        ((value, error),) = broadcast_object_list(made)
    if error is not None:
        raise error
    return value


def sum_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Make every parameter's gradient the sum of the ranks'; one that no rank has a gradient for stays without.

    Those of a model that is cut are sums already. Losses are weighted by their share of the whole step, so the sum is
    the step's gradient: no mean, no scaling. Collective.

    Raises:
        RankLostError: a rank has left.
    """
    if count() == 1:
        return
    everything = [parameter for parameter in parameters if not is_cut(parameter)]
    if not everything:
        return
    with _noticing():
        has = torch.tensor([p.grad is not None for p in everything], dtype=torch.int32, device=start().device)
        known = reduce(has, "sum").tolist()
        moved = [p for p, ranks in zip(everything, known, strict=True) if ranks]
        for bucket in _buckets(moved):
            _sum_bucket(bucket)


def _sum_bucket(bucket: Sequence[nn.Parameter]) -> None:
    flat = torch.cat([_gradient(p).reshape(-1) for p in bucket])
    total, at = reduce(flat, "sum"), 0
    for parameter in bucket:
        size = parameter.numel()
        parameter.grad = total[at : at + size].view_as(parameter)
        at += size


def _gradient(parameter: nn.Parameter) -> Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad


def _buckets(parameters: Sequence[nn.Parameter]) -> Generator[list[nn.Parameter]]:
    """In order, of one dtype each."""
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


def is_cut(tensor: Tensor) -> bool:
    """Whether this rank holds a part of it."""
    return isinstance(tensor, DTensor)


def local(tensor: Tensor) -> Tensor:
    """This rank's part, in place; all of what is not cut."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensor: Tensor) -> Tensor:
    """All of it, without gradient. Collective if it is cut.

    Raises:
        RankLostError: a rank has left.
    """
    with _noticing():
        return tensor.full_tensor().detach() if isinstance(tensor, DTensor) else tensor.detach()


def collected(tensors: Mapping[str, Tensor], *, keep: bool) -> dict[str, Tensor]:
    """All of each on the CPU, where `keep` says so, else nothing. Collective if any is cut."""
    found: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        value = whole(tensor) if keep or is_cut(tensor) else tensor
        if keep:
            found[name] = value.cpu().contiguous()
    return found


def handed_out(tensor: Tensor, device: torch.device) -> Tensor:
    """The first rank's tensor on every rank's device; of the others' the shape and type count alone. Collective.

    Raises:
        RankLostError: a rank has left.
    """
    full = tensor.to(device).contiguous() if is_first() else torch.empty_like(tensor, device=device).contiguous()
    with _noticing():
        return broadcast(full)


def part_of(full: Tensor, like: Tensor) -> Tensor:
    """`full`, which every rank has, cut as `like` is."""
    if not isinstance(like, DTensor):
        return full
    return distribute_tensor(full.to(like.device), like.device_mesh, like.placements, src_data_rank=None)


def put(parameter: nn.Parameter, full: Tensor) -> None:
    """Set a parameter to what every rank has all of."""
    with torch.no_grad():
        local(parameter).copy_(local(part_of(full, parameter)))


def summed(value: Tensor) -> Tensor:
    """The sum of the ranks' values. Collective.

    Raises:
        RankLostError: a rank has left.
    """
    with _noticing():
        return value if count() == 1 else reduce(value, "sum")


@contextmanager
def noticing() -> Generator[None]:
    """Around a pass through a model, which is collective if the model is cut; whatever else fails in it passes.

    Raises:
        RankLostError: a rank has left.
    """
    try:
        yield
    except RuntimeError as error:
        if count() == 1 or not _is_of_a_connection(error):
            raise
        raise _lost(error) from error


@contextmanager
def _noticing() -> Generator[None]:
    """What torch says when a peer closes its connection, told as ours."""
    try:
        yield
    except RuntimeError as error:
        if count() == 1:
            raise
        raise _lost(error) from error


def _lost(error: RuntimeError) -> RankLostError:
    return RankLostError(f"another process of this run has left: {error}")


def _is_of_a_connection(error: RuntimeError) -> bool:
    """Over gloo it has no type of its own."""
    return isinstance(error, torch.distributed.DistError) or any(word in str(error) for word in ("gloo", "Connection"))
