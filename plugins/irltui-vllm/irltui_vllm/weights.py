"""Sends the policy's weights when they have moved, and lets vLLM sleep between draws. Knows no transport."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch

from irltui import ranks
from irltui.api import Policy
from irltui_vllm.errors import VllmError, imported


class Engine(ABC):
    """What can be done to vLLM besides drawing."""

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
        sleeps: whether it sleeps between draws.
        asleep: whether it may be asleep already, left so by a run that was killed; waking twice does nothing.
    """

    def __init__(self, policy: Policy, engine: Engine, *, sleeps: bool, asleep: bool = False) -> None:
        self._policy, self._engine, self._sleeps = policy, engine, sleeps
        self._asleep = asleep
        self._sent: list[float] | None = None

    def refresh(self) -> None:
        """Send the weights if they are not there. Collective: the first rank sends, all wait."""
        now = fingerprint(self._policy)
        if any(ranks.gather([now != self._sent])):  # of a model that is cut, each has looked at a part
            with self._policy.gathered():
                ranks.from_first(self._send)
            self._sent = now

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


def fingerprint(policy: Policy) -> list[float]:
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


def plain_model(policy: Policy) -> Any:
    """The policy as a transformers model without adapters: itself, or a merged copy."""
    if not hasattr(policy.model, "merge_and_unload"):
        return policy.model
    return copy.deepcopy(policy.model).merge_and_unload()  # merging in place could not be undone exactly


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

    class Source(base.WeightSource):  # type: ignore[misc, name-defined]
        """The policy's weights, merged where adapters train."""

        def metadata(self) -> list[Any]:
            named = plain_model(policy).named_parameters()
            return [base.ParamMeta(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in named]

        def __iter__(self) -> Any:
            for name, tensor in plain_model(policy).named_parameters():
                yield name, tensor.detach().contiguous()

    def send(engines: list[Any]) -> None:
        try:
            if not engines:
                factory = base.WeightTransferTrainerFactory
                engines.append(factory.trainer_init(init_info=init_info(module), client=client, source=Source()))
            engines[0].send_weights()
        except Exception as error:
            raise VllmError(
                f"weights could not be sent by {backend}: {type(error).__name__}: {error}",
                'Was vLLM started for it: --weight-transfer-config \'{"backend": "' + backend + "\"}'?",
            ) from error

    made: list[Any] = []
    return lambda: send(made)
