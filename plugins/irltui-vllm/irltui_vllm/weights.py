"""Sends the policy's weights when they have moved, and lets vLLM sleep between draws. Knows no transport."""

from __future__ import annotations

import copy
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import SafetensorError
from torch import Tensor
from transformers.core_model_loading import revert_weight_conversion

from irltui.api import Policy, Ranks
from irltui_vllm.errors import VllmError, imported

_sent_last: dict[str, object] = {}  # to each address: by which `InStep`


class Engine(ABC):
    """What can be done to vLLM besides drawing."""

    address = ""
    """Of a server, which other samplers of this process may send weights to; empty for an engine of one's own."""

    @abstractmethod
    def push(self) -> None:
        """Send all weights."""

    @abstractmethod
    def sleep(self) -> None:
        """Give memory back; the weights are lost."""

    @abstractmethod
    def wake(self, tag: str) -> None:
        """Take memory again, for `weights` or the `kv_cache`."""


class InStep:
    """Keeps vLLM's weights the policy's; it is awake inside `drawing` alone.

    Args:
        policy: whose weights.
        engine: what holds a copy.
        ranks: the processes that train.
        sleeps: whether it sleeps between draws.
        asleep: whether it may be asleep already, left so by a run that was killed; waking twice does nothing.
    """

    def __init__(self, policy: Policy, engine: Engine, ranks: Ranks, *, sleeps: bool, asleep: bool = False) -> None:
        self._policy, self._engine, self._ranks, self._sleeps = policy, engine, ranks, sleeps
        self._asleep = asleep
        self._sent: list[float] | None = None
        self._mark = object()

    def refresh(self) -> None:
        """Send the weights if they are not there. Collective: the first rank sends, all wait."""
        now, address = fingerprint(self._policy, self._ranks), self._engine.address
        is_there = now == self._sent and _sent_last.get(address, self._mark) is self._mark
        if not all(self._ranks.gather([is_there])):  # of a sharded model, each has looked at a part
            with self._policy.gathered():
                self._ranks.from_first(self._send)
            self._sent = now
            if address:
                _sent_last[address] = self._mark

    @contextmanager
    def drawing(self) -> Generator[None]:
        """Around a draw, which follows a `refresh` on every rank."""
        if self._sent is None:
            self.refresh()
        try:
            yield
        finally:
            if self._sleeps and not self._asleep:
                self._engine.sleep()
                self._asleep, self._sent = True, None

    def _send(self) -> None:
        if self._asleep:
            self._engine.wake("weights")
        self._engine.push()
        if self._asleep:
            self._engine.wake("kv_cache")
            self._asleep = False


def fingerprint(policy: Policy, ranks: Ranks) -> list[float]:
    """Two sums over this rank's part of each parameter that trains: nobody tells when an optimizer step is taken."""
    with torch.no_grad():
        sums = [
            value
            for parameter in map(ranks.local, policy.parameters())
            for value in (
                parameter.sum(dtype=torch.float64),
                torch.linalg.vector_norm(parameter, dtype=torch.float64),
            )
        ]
        return torch.stack(sums).tolist() if sums else []


def checkpoint(policy: Policy) -> dict[str, Tensor]:
    """The policy's weights by their names in a transformers checkpoint, tied ones under each name.

    Adapters are merged, or left out where they are switched off: that policy is pi_0.

    vLLM updates the storage that tied weights share, but where it keeps a rearranged copy of the output layer
    (the build for CPUs does) that copy follows a weight of its own name alone.
    """
    model: Any = policy.model
    if hasattr(model, "merge_and_unload"):
        model = copy.deepcopy(model)  # merging in place could not be undone exactly
        is_off = any(getattr(module, "disable_adapters", None) is True for module in model.modules())
        model = model.unload() if is_off else model.merge_and_unload()
    return revert_weight_conversion(model, {name: tensor.detach() for name, tensor in model.state_dict().items()})


def by_disk(parent: Path, policy: Policy, read: Callable[[str], None]) -> None:
    """Write the weights to a folder of their own in `parent`, have them read there, and remove it.

    Raises:
        VllmError: there is no room, or no right, to write.
    """
    try:
        parent.mkdir(parents=True, exist_ok=True)
        written = tempfile.mkdtemp(prefix="irltui-weights-", dir=parent)
    except OSError as error:
        raise VllmError(
            f"{parent}: cannot be written: {error}", "Make room, or name another sampler.folder."
        ) from error
    try:
        Path(written).chmod(0o755)  # the server may be another user's
        save_torch_state_dict(_apart(checkpoint(policy)), written)
        read(written)
    except (OSError, SafetensorError) as error:
        raise VllmError(f"{written}: cannot be written: {error}", "Make room; continue with --resume.") from error
    finally:
        shutil.rmtree(written, ignore_errors=True)


def _apart(named: dict[str, Tensor]) -> dict[str, Tensor]:
    """Without shared storage, which a file cannot hold."""
    seen: set[int] = set()
    found = {}
    for name, tensor in named.items():
        found[name] = tensor.clone() if tensor.data_ptr() in seen else tensor
        seen.add(tensor.data_ptr())
    return found


def weight_source(base: Any, device: Any = "cpu") -> Any:
    """A WeightSource of `base`, vllm.distributed.weight_transfer, over what its `named` holds.

    The tensors of a model that is sharded come on the CPU, and are sent from `device`.

    vLLM 0.33 asks for `metadata` kept and `iter_full`, its predecessors for the method `metadata` and iteration.
    """

    def described(self: Any) -> list[Any]:
        return [base.ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in self.named.items()]

    def each(self: Any) -> Any:
        for name, tensor in self.named.items():
            yield name, tensor.to(device).contiguous()

    described.__name__ = "metadata"
    keeps = hasattr(base.WeightSource, "iter_full")
    members = {"named": {}, "iter_full": each, "__iter__": each}
    members["metadata"] = cached_property(described) if keeps else described
    return type("Source", (base.WeightSource,), members)()


def transfer(backend: str, init_info: Callable[[Any], Any], client: Any, policy: Policy) -> Callable[[], None]:
    """Weight transfer by vLLM's own engines; what is given back sends.

    Args:
        backend: a module of vllm.distributed.weight_transfer without its `_engine`.
        init_info: makes the backend's TrainerInitInfo of that module.
        client: reaches the inference side by the four calls of VLLMWeightSyncClient.
        policy: whose weights.

    Raises:
        VllmError: vLLM is missing, or refuses.
    """
    base = imported("vllm.distributed.weight_transfer")
    module = imported(f"vllm.distributed.weight_transfer.{backend}_engine")

    source = weight_source(base, policy.device)

    def send(engines: list[Any]) -> None:
        try:
            source.named = checkpoint(policy)
            if not engines:
                factory = base.WeightTransferTrainerFactory
                engines.append(factory.trainer_init(init_info=init_info(module), client=client, source=source))
            engines[0].send_weights()
        except Exception as error:
            raise VllmError(
                f"weights could not be sent by {backend}: {type(error).__name__}: {error}",
                'Was vLLM started for it: --weight-transfer-config \'{"backend": "' + backend + "\"}'?",
            ) from error
        finally:
            source.named = {}  # a merged copy lives no longer than its transfer

    made: list[Any] = []
    return lambda: send(made)
