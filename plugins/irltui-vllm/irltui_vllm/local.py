"""vLLM started by the engine's process, on its device. CUDA IPC and sleep were never run on a GPU (README)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irltui.api import BuildContext, Decoding, Generation, Policy, Prompt, Sampler
from irltui_vllm.errors import VllmError, imported
from irltui_vllm.request import generation, sampling
from irltui_vllm.weights import Engine, InStep, by_disk, transfer

if TYPE_CHECKING:
    from irltui_vllm import Local


def start(spec: Local, context: BuildContext) -> LocalSampler:
    """The sampler over an engine of its own, whose weights come with the first draw.

    Raises:
        VllmError: vLLM is missing or does not start, or several processes train.
    """
    if (count := context.ranks.count()) > 1:
        raise VllmError(f"vllm/local is for one process; {count} train", "Start a server and take vllm/server.")
    vllm = imported("vllm")
    length = {"max_model_len": spec.max_tokens} if spec.max_tokens else {}
    try:
        llm = vllm.LLM(
            model=context.policy.model.config._name_or_path,
            skip_tokenizer_init=True,
            generation_config="vllm",
            logprobs_mode="raw_logprobs",
            dtype=spec.dtype,
            enable_sleep_mode=spec.sleep,
            gpu_memory_utilization=spec.memory,
            **length,
            **(_for_ipc() if spec.weights == "ipc" else {}),
        )
    except Exception as error:
        raise VllmError(
            f"vLLM does not start: {type(error).__name__}: {error}",
            'Too little memory: lower sampler.memory, or take vllm/server. No CUDA: sampler.weights = "disk" and '
            "sampler.sleep = false.",
        ) from error
    return LocalSampler(spec, vllm, llm, context)


def _for_ipc() -> dict[str, Any]:
    # Handles of GPU memory are pickled, from this process to its own child.
    os.environ.setdefault("VLLM_ALLOW_INSECURE_SERIALIZATION", "1")
    configured = imported("vllm.config").WeightTransferConfig(backend="ipc")
    return {"load_format": "dummy", "weight_transfer_config": configured}


def _push(spec: Local, llm: Any, policy: Policy) -> Callable[[], None]:
    if spec.weights == "ipc":
        return transfer("ipc", lambda module: module.IPCTrainerInitInfo(rank=0, packed=True), LocalClient(llm), policy)
    return partial(by_disk, Path(tempfile.gettempdir()), policy, partial(_reload, llm))


def _reload(llm: Any, written: str) -> None:
    try:
        llm.collective_rpc("reload_weights", kwargs={"weights_path": written})
    except Exception as error:
        raise VllmError(
            f"vLLM does not read the weights: {type(error).__name__}: {error}",
            "Look at what it printed, in the run's console.log; continue with --resume.",
        ) from error


class LocalSampler(Sampler):
    """`group` prompts a call of `LLM.generate`."""

    def __init__(self, spec: Local, vllm: Any, llm: Any, context: BuildContext) -> None:
        self.group = spec.group
        self._vllm, self._llm, self._poll, self._eos_ids = vllm, llm, context.poll, context.policy.eos_ids
        engine = LocalEngine(llm, _push(spec, llm, context.policy))
        self._in_step = InStep(context.policy, engine, context.ranks, sleeps=spec.sleep)

    def refresh(self) -> None:
        self._in_step.refresh()

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        if not prompts:
            return
        with self._in_step.drawing():
            for at in range(0, len(prompts), self.group):
                self._poll()
                yield from self._draw(prompts[at : at + self.group], decoding, seed)

    def _draw(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        parameters = [
            self._vllm.SamplingParams(**sampling(prompt, decoding, seed, self._eos_ids), detokenize=False)
            for prompt in prompts
        ]
        asked = [{"prompt_token_ids": list(prompt.tokens)} for prompt in prompts]
        for prompt, answer in zip(prompts, self._llm.generate(asked, parameters, use_tqdm=False), strict=True):
            tokens = list(answer.outputs[0].token_ids)
            steps = answer.outputs[0].logprobs or []
            logprobs = [float(step[token].logprob) for step, token in zip(steps, tokens, strict=False)]
            yield generation(prompt, tokens, logprobs, self._eos_ids, decoding.max_new_tokens)


class LocalEngine(Engine):
    """Sleep and weights of an LLM object."""

    def __init__(self, llm: Any, push: Any) -> None:
        self._llm, self._push = llm, push

    def push(self) -> None:
        self._push()
        self._llm.reset_prefix_cache()

    def sleep(self) -> None:
        self._llm.sleep(level=2)

    def wake(self, tag: str) -> None:
        self._llm.wake_up(tags=[tag])


class LocalClient:
    """vLLM's VLLMWeightSyncClient over an LLM object."""

    def __init__(self, llm: Any) -> None:
        self._llm = llm

    def init_weight_transfer_engine(self, init_info: dict[str, Any]) -> None:
        self._llm.init_weight_transfer_engine({"init_info": init_info})

    def start_weight_update(self) -> None:
        self._llm.start_weight_update()

    def update_weights(self, update_info: dict[str, Any]) -> None:
        self._llm.update_weights({"update_info": update_info})

    def finish_weight_update(self, weight_version: str | None = None) -> None:
        self._llm.finish_weight_update()
