"""vLLM's HTTP server as a sampler: /v1/completions for draws, its development endpoints for weights and sleep."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from irltui.api import BuildContext, Decoding, Generation, Policy, Prompt, Sampler
from irltui_vllm.errors import VllmError, imported
from irltui_vllm.http import Http
from irltui_vllm.request import generation, sampling
from irltui_vllm.weights import Engine, InStep, by_disk, transfer

if TYPE_CHECKING:
    from irltui_vllm import Server

_TICK = 0.2  # seconds between two polls


def connect(spec: Server, context: BuildContext) -> ServerSampler:
    """The sampler over a server that answers.

    Raises:
        VllmError: the server does not answer or serves another model, or the options contradict each other.
    """
    if spec.weights == "disk" and not spec.folder:
        raise VllmError(
            'sampler.folder is missing: sampler.weights = "disk" goes through one',
            "Name a folder that the server sees under the same path.",
        )
    if (count := context.ranks.count()) > 1 and (spec.sleep or spec.weights == "ipc"):
        raise VllmError(
            f"{count} processes share the server: sampler.sleep and sampler.weights = 'ipc' are for one",
            'Take weights = "disk" or "nccl", without sleep.',
        )
    http = Http(spec.url, spec.timeout)
    model = _served(http, spec.model)
    engine = ServerEngine(http, _push(spec, http, context.policy))
    in_step = InStep(context.policy, engine, context.ranks, sleeps=spec.sleep, asleep=True)
    return ServerSampler(spec, model, http, context, in_step)


class ServerSampler(Sampler):
    """One request a prompt, `concurrency` at a time."""

    def __init__(self, spec: Server, model: str, http: Http, context: BuildContext, in_step: InStep) -> None:
        self.group = spec.group
        self._workers, self._model, self._http = spec.concurrency, model, http
        self._eos_ids, self._poll, self._in_step = context.policy.eos_ids, context.poll, in_step

    def refresh(self) -> None:
        self._in_step.refresh()

    def sample(self, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        if not prompts:
            return
        with self._in_step.drawing():
            yield from _at_once(prompts, lambda prompt: self._draw(prompt, decoding, seed), self._workers, self._poll)

    def _draw(self, prompt: Prompt, decoding: Decoding, seed: int) -> Generation:
        body = {
            "model": self._model,
            "prompt": list(prompt.tokens),
            "add_special_tokens": False,
            "skip_special_tokens": False,
            "return_token_ids": True,
            **sampling(prompt, decoding, seed, self._eos_ids),
        }
        answer = self._http.post("/v1/completions", body)
        try:
            (choice,) = answer["choices"]
            reason, asked = choice["finish_reason"], choice.get("prompt_token_ids")
            tokens, logprobs = choice.get("token_ids"), (choice.get("logprobs") or {}).get("token_logprobs")
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise VllmError(f"{self._http.url}: prompt {prompt.id}: no answer of a vLLM server: {error!r}") from error
        if asked is not None and asked != list(prompt.tokens):
            raise VllmError(
                f"{self._http.url}: prompt {prompt.id}: the server read {len(asked)} other tokens than the "
                f"{len(prompt.tokens)} that were sent",
                "Start it without options that truncate or rewrite prompts.",
            )
        if reason not in ("stop", "length"):
            raise VllmError(
                f"{self._http.url}: prompt {prompt.id}: ended by {reason!r}",
                "Does somebody else pause the server, or put it to sleep? Continue the run with --resume.",
            )
        return generation(prompt, tokens, logprobs, self._eos_ids, decoding.max_new_tokens)


class ServerEngine(Engine):
    """Weights and sleep by the endpoints that VLLM_SERVER_DEV_MODE=1 opens."""

    def __init__(self, http: Http, push: Callable[[], None]) -> None:
        self._http, self._push, self.address = http, push, http.url

    def push(self) -> None:
        self._http.post("/pause?mode=wait")  # forgets cached prefixes: they are of the old weights
        self._push()
        self._http.post("/resume")

    def sleep(self) -> None:
        self._http.post("/sleep?level=2")

    def wake(self, tag: str) -> None:
        self._http.post(f"/wake_up?tags={tag}")


def _push(spec: Server, http: Http, policy: Policy) -> Callable[[], None]:
    if spec.weights == "disk":
        return lambda: by_disk(Path(spec.folder).absolute(), policy, lambda written: _reload(http, written))
    client = imported("vllm.distributed.weight_transfer").HTTPVLLMWeightSyncClient(spec.url, timeout=spec.timeout)
    if spec.weights == "ipc":
        return transfer("ipc", lambda module: module.IPCTrainerInitInfo(rank=0, packed=True), client, policy)

    def meeting(module: Any) -> Any:
        workers = int(http.get("/get_world_size")["world_size"])
        address, port = _own_address(spec.url)
        return module.NCCLTrainerInitInfo(
            master_address=address, master_port=port, world_size=1 + workers, rank=0, packed=True
        )

    return transfer("nccl", meeting, client, policy)


def _reload(http: Http, written: str) -> None:
    try:
        http.post("/collective_rpc", {"method": "reload_weights", "kwargs": {"weights_path": written}})
    except VllmError as error:
        if "dummy" not in str(error):
            raise
        raise VllmError(
            f"{http.url} was started with --load-format dummy, which cannot read weights from a folder",
            "Start it without; continue the run with --resume.",
        ) from error


def _served(http: Http, wanted: str) -> str:
    try:
        names = [str(row["id"]) for row in http.get("/v1/models")["data"]]
    except (TypeError, KeyError) as error:
        raise VllmError(f"{http.url}/v1/models: no answer of a vLLM server: {error!r}") from error
    if wanted in names:
        return wanted
    if not wanted and len(names) == 1:
        return names[0]
    raise VllmError(
        f"{http.url} serves {', '.join(names) or 'no model'}, not {wanted or 'one model alone'}",
        "Name one of them: sampler.model.",
    )


def _own_address(url: str) -> tuple[str, int]:
    """This host as the server's host sees it, and a free port."""
    parts = urlsplit(url)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((parts.hostname, parts.port or 80))  # sends nothing
        address = probe.getsockname()[0]
    with socket.socket() as free:
        free.bind((address, 0))
        return address, free.getsockname()[1]


def _at_once(
    prompts: Sequence[Prompt], draw: Callable[[Prompt], Generation], workers: int, poll: Callable[[], None]
) -> Iterator[Generation]:
    """Generations as they are finished; the first failure ends all. The threads do not outlive the process."""
    waiting: SimpleQueue[Prompt] = SimpleQueue()
    finished: SimpleQueue[Generation | BaseException] = SimpleQueue()
    over = Event()

    def work() -> None:
        while not over.is_set():
            try:
                finished.put(draw(waiting.get_nowait()))
            except Empty:
                return
            except BaseException as error:  # noqa: BLE001 - raised again by who waits
                finished.put(error)

    for prompt in prompts:
        waiting.put(prompt)
    for _ in range(min(workers, len(prompts))):
        Thread(target=work, daemon=True).start()
    try:
        for _ in prompts:
            yield _next(finished, poll)
    finally:
        over.set()


def _next(finished: SimpleQueue[Generation | BaseException], poll: Callable[[], None]) -> Generation:
    while True:
        poll()
        try:
            found = finished.get(timeout=_TICK)
        except Empty:
            continue
        if isinstance(found, BaseException):
            raise found
        return found
