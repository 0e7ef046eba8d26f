"""A small model behind vLLM's interfaces: the HTTP server, and the package. Mirrors vLLM 0.32.0, as its build for CPUs
answered (test_real.py asks it the same), but for CUDA IPC and what sleep forgets, which follow its source alone.

Draws are exact and slow: one token after another. What the sampler may not rely on is an error.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

from irltui import quickstart

HERE = str(quickstart.MODELS[quickstart.NAME])
LIMIT = 200


@dataclass
class Served:
    """One model with the state that vLLM keeps; `calls` in order.

    Args:
        load_format: `auto` starts with the checkpoint's weights and reads others from a folder; `dummy` does neither.
    """

    load_format: str = "auto"
    model: Any = None
    calls: list[str] = field(default_factory=list)
    asleep: set[str] = field(default_factory=set)
    paused: bool = False
    lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.model = AutoModelForCausalLM.from_pretrained(HERE, dtype=torch.float32)
        # The build for CPUs keeps a rearranged copy of the output layer, tied or not.
        self.model.lm_head.weight = torch.nn.Parameter(self.model.lm_head.weight.detach().clone())
        if self.load_format == "dummy":
            self.forget()

    def forget(self) -> None:
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.zero_()

    def sleep(self) -> None:
        self.asleep, self.paused = {"weights", "kv_cache"}, True
        self.forget()

    def wake(self, tags: list[str]) -> bool:
        """Whether it is wholly awake; a tag that is awake changes nothing."""
        self.asleep -= set(tags)
        self.paused = self.paused and bool(self.asleep)
        return not self.asleep

    def reload(self, folder: str) -> None:
        """As `reload_weights` does: every safetensors file there, whatever config lies beside."""
        if self.load_format == "dummy":
            raise NotImplementedError("Model reloading with `dummy` format")
        files = sorted(Path(folder).glob("*.safetensors"))
        self.load({name: tensor for file in files for name, tensor in load_file(file).items()})

    def load(self, named: dict[str, torch.Tensor]) -> None:
        """A weight that does not come keeps its value."""
        assert "weights" not in self.asleep, "weights are loaded into memory that was given back"
        own = dict(self.model.named_parameters())
        assert named.keys() <= own.keys(), "other names than the checkpoint's"
        with torch.no_grad():
            for name, tensor in named.items():
                own[name].copy_(tensor)

    def draw(self, prompt: list[int], asked: dict[str, Any]) -> tuple[list[int], list[float], str]:
        """Sampled ids, raw log-probabilities, finish_reason."""
        assert not self.asleep, "a sleeping engine is asked"
        assert not self.paused, "a paused engine is asked: it would answer after /resume"
        assert asked["ignore_eos"], "the model's own end would stop it"
        stream = torch.Generator().manual_seed(asked["seed"])
        tokens: list[int] = []
        logprobs: list[float] = []
        with self.lock, torch.no_grad():
            while len(tokens) < min(asked["max_tokens"], LIMIT - len(prompt)):  # truncated silently
                logits = self.model(input_ids=torch.tensor([[*prompt, *tokens]])).logits[0, -1].float()
                token = _chosen(logits, asked, stream)
                tokens.append(token)
                logprobs.append(float(logits.log_softmax(-1)[token]))
                if token in asked["stop_token_ids"]:
                    return tokens, logprobs, "stop"
        return tokens, logprobs, "length"


def _chosen(logits: torch.Tensor, asked: dict[str, Any], stream: torch.Generator) -> int:
    if asked["temperature"] == 0:
        return int(logits.argmax())
    logits = logits / asked["temperature"]
    if asked["top_k"]:
        logits = logits.masked_fill(logits < logits.topk(asked["top_k"]).values[-1], float("-inf"))
    return int(logits.softmax(-1).multinomial(1, generator=stream))


# -- over HTTP -------------------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """The endpoints of `vllm serve` with VLLM_SERVER_DEV_MODE=1 that the sampler uses."""

    served: Served
    spoil: Any = None  # (status, bytes) instead of a completion
    key = ""
    missing = 0  # bytes that are promised and never sent

    def log_message(self, *_arguments: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            self._say(200, {"object": "list", "data": [{"id": "tiny", "object": "model", "max_model_len": LIMIT}]})
        else:
            self._say(404, {"detail": "Not Found"})

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = json.loads(self.rfile.read(length) or b"{}")
        path, query = urlsplit(self.path).path, parse_qs(urlsplit(self.path).query)
        served = type(self).served
        if path == "/v1/completions":
            self._complete(body)
            return
        served.calls.append(self.path)
        if path == "/collective_rpc" and body["method"] == "reload_weights":
            self._reload(body["kwargs"]["weights_path"])
        elif path == "/pause":
            served.paused = True
            self._say(200, {"status": "paused"})
        elif path == "/resume":
            served.paused = False
            self._say(200, {"status": "resumed"})
        elif path == "/sleep":
            served.sleep()
            self._say(200, {"status": "sleeping", "level": int(query["level"][0])})
        elif path == "/wake_up":
            awake = served.wake(query["tags"])
            self._say(200, {"status": "awake" if awake else "sleeping", "tags": query["tags"]})
        else:
            self._say(404, {"detail": "Not Found"})

    def _reload(self, folder: str) -> None:
        try:
            type(self).served.reload(folder)
        except NotImplementedError as error:
            told = f"Call to collective_rpc method failed: Worker failed with error '{error}'"
            self._say(500, _error(told, "InternalServerError", 500))
        else:
            self._say(200, {"results": [None]})

    def _complete(self, body: dict[str, Any]) -> None:
        if self.key and self.headers["Authorization"] != f"Bearer {self.key}":
            self._say(401, {"error": "Unauthorized"})
        elif type(self).spoil is not None:
            self._send(*type(self).spoil)
        elif body["model"] != "tiny":
            self._say(404, _error(f"The model `{body['model']}` does not exist.", "NotFoundError", 404))
        elif body["max_tokens"] > LIMIT:
            told = f"max_tokens={body['max_tokens']} cannot be greater than max_model_len={LIMIT}."
            self._say(400, _error(told, "BadRequestError", 400))
        elif len(body["prompt"]) >= LIMIT:
            self._say(400, _error(f"This model's maximum context length is {LIMIT} tokens.", "BadRequestError", 400))
        else:
            assert body["return_token_ids"]
            assert body["logprobs"] == 0
            tokens, logprobs, reason = type(self).served.draw(body["prompt"], body)
            choice = {
                "index": 0,
                "text": "",
                "logprobs": {"token_logprobs": logprobs, "tokens": [], "text_offset": [], "top_logprobs": []},
                "finish_reason": reason,
                "stop_reason": tokens[-1] if reason == "stop" else None,
                "token_ids": tokens,
                "prompt_token_ids": body["prompt"],
            }
            self._say(200, {"id": "cmpl-0", "object": "text_completion", "model": "tiny", "choices": [choice]})

    def _say(self, status: int, value: Any) -> None:
        self._send(status, b"" if value is None else json.dumps(value).encode())

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content) + type(self).missing))
        self.end_headers()
        self.wfile.write(content)


def _error(message: str, kind: str, code: int) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


@contextmanager
def listening() -> Iterator[tuple[str, type[Handler]]]:
    """A server's address, and the handler by which a test may spoil it."""
    handler = type("Handler", (Handler,), {"served": Served()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


# -- as a package ----------------------------------------------------------------------------


class LLM:
    """vllm.LLM, as far as the sampler uses it."""

    def __init__(self, model: str, **options: Any) -> None:
        by_ipc = "weight_transfer_config" in options
        assert not by_ipc or options["weight_transfer_config"].backend == "ipc"
        self.served, self.options = Served(options.get("load_format", "auto")), options
        LLM.latest = self

    latest: LLM

    def generate(self, prompts: list[dict[str, Any]], parameters: list[Any], *, use_tqdm: bool) -> list[Any]:
        answers = []
        for prompt, asked in zip(prompts, parameters, strict=True):
            tokens, logprobs, _ = self.served.draw(prompt["prompt_token_ids"], vars(asked))
            steps = [{t: SimpleNamespace(logprob=v)} for t, v in zip(tokens, logprobs, strict=True)]
            answers.append(SimpleNamespace(outputs=[SimpleNamespace(token_ids=tokens, logprobs=steps)]))
        return answers

    def collective_rpc(self, method: str, kwargs: dict[str, Any]) -> list[None]:
        assert method == "reload_weights"
        self.served.calls.append(method)
        self.served.reload(kwargs["weights_path"])
        return [None]

    def sleep(self, level: int) -> None:
        assert self.options["enable_sleep_mode"]
        self.served.calls.append(f"sleep {level}")
        self.served.sleep()

    def wake_up(self, tags: list[str]) -> None:
        self.served.calls.append(f"wake {tags[0]}")
        self.served.wake(tags)

    def reset_prefix_cache(self) -> None:
        self.served.calls.append("reset")

    def init_weight_transfer_engine(self, request: dict[str, Any]) -> None:
        self.served.calls.append("init")
        assert request["init_info"] == {"packed": True}

    def start_weight_update(self) -> None:
        self.served.calls.append("start")

    def update_weights(self, request: dict[str, Any]) -> None:
        self.served.calls.append("update")
        self.served.load(dict(request["update_info"]["weights"]))

    def finish_weight_update(self) -> None:
        self.served.calls.append("finish")


class TrainerEngine:
    """What WeightTransferTrainerFactory.trainer_init gives: four phases, and declared against sent."""

    def __init__(self, init_info: Any, client: Any, source: Any) -> None:
        self._client, self._source = client, source
        client.init_weight_transfer_engine({"packed": init_info.packed})

    def send_weights(self) -> None:
        declared = [(meta.name, meta.dtype, meta.shape) for meta in self._source.metadata()]
        sent = [(name, tensor.clone()) for name, tensor in self._source]
        assert declared == [(name, tensor.dtype, tuple(tensor.shape)) for name, tensor in sent]
        self._client.start_weight_update()
        self._client.update_weights({"weights": sent})
        self._client.finish_weight_update()


def package() -> dict[str, ModuleType]:
    """The modules of vLLM that are imported, for sys.modules."""
    named = {
        "vllm": {"LLM": LLM, "SamplingParams": SimpleNamespace},
        "vllm.config": {"WeightTransferConfig": SimpleNamespace},
        "vllm.distributed": {},
        "vllm.distributed.weight_transfer": {
            "WeightSource": object,
            "ParamMeta": lambda name, dtype, shape: SimpleNamespace(name=name, dtype=dtype, shape=shape),
            "WeightTransferTrainerFactory": SimpleNamespace(trainer_init=TrainerEngine),
        },
        "vllm.distributed.weight_transfer.ipc_engine": {"IPCTrainerInitInfo": SimpleNamespace},
    }
    made = {}
    for name, members in named.items():
        made[name] = ModuleType(name)
        vars(made[name]).update(members)
    assert not sys.modules.keys() & made.keys() or "vllm" not in sys.modules
    return made
