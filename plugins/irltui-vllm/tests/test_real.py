"""The samplers against vLLM itself, on a CPU or a GPU: ids, log-probabilities, weights, ends, seeds.

Needs vLLM beside irltui, or the address of a server of another environment in IRLTUI_VLLM_URL: one that was started
as the plugin's README says, with `--dtype float32`, from a model's folder that is here under the same path.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from irltui import quickstart
from irltui.api import BuildContext, Decoding, Generation, Prompt, Sampler
from irltui.config.schema import DataSection, ModelSection
from irltui.data.demonstrations import load_demonstrations
from irltui.data.template import eos_ids
from irltui.lm.load import generation_defaults, load_model, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui_vllm import Local, Server
from irltui_vllm.errors import VllmError
from irltui_vllm.http import Http

URL = os.environ.get("IRLTUI_VLLM_URL", "")
HAS_VLLM = importlib.util.find_spec("vllm") is not None
CLOSE = 1e-3  # nats per token, float32 on both sides
CAP = 24
WHOLE = Decoding(max_new_tokens=CAP)

pytestmark = pytest.mark.slow
needs_vllm = pytest.mark.skipif(not HAS_VLLM, reason="vLLM is not installed in this environment")


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of a server in float32: the one that is named, or one of the embedded model, started here."""
    if URL:
        yield URL
        return
    if not HAS_VLLM:
        pytest.skip("no vLLM: install it, or name a server in IRLTUI_VLLM_URL")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("vllm") / "server.log"
    model = str(quickstart.MODELS[quickstart.NAME])
    line = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", model, "--dtype", "float32"]
    with log.open("wb") as told:
        server = subprocess.Popen(  # noqa: S603 - vLLM of this environment
            [*line, "--host", "127.0.0.1", "--port", str(port), "--enforce-eager", "--gpu-memory-utilization", "0.2"],
            env={**os.environ, "VLLM_SERVER_DEV_MODE": "1"},
            stdout=told,
            stderr=told,
        )
    try:
        _wait(server, f"http://127.0.0.1:{port}", log)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(60)


def _wait(server: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 600
    while time.monotonic() < until and server.poll() is None:
        try:
            Http(url, 5).get("/v1/models")
        except VllmError:
            with suppress(subprocess.TimeoutExpired):
                server.wait(1)
        else:
            return
    pytest.fail(f"the server does not start: {log.read_text(errors='replace')[-3000:]}")


class Drawn:
    """One sampler with its policy, what it draws, and how far that is from the policy's own scores."""

    def __init__(self, model: str, build: Callable[[BuildContext], Sampler]) -> None:
        section = ModelSection(name=model)
        tokenizer = load_tokenizer(section)
        ends = eos_ids(tokenizer, generation_defaults(section).eos_token_id)
        data = DataSection(source=quickstart.NAME, limit=8, held_out=0.0)
        self.prompts: list[Prompt] = [d.prompt for d in load_demonstrations(data, tokenizer, ends).train]
        self.policy = LanguageModelPolicy(load_model(section), tokenizer, ends, partial(load_model, section))
        self.sampler = build(BuildContext(self.policy, seed=7, decoding=WHOLE, batch=4))

    def draw(self, decoding: Decoding = WHOLE, seed: int = 1, prompts: list[Prompt] | None = None) -> list[Generation]:
        prompts = self.prompts if prompts is None else prompts
        found = {g.prompt_id: g for g in self.sampler.sample(prompts, decoding, seed)}
        return [found[prompt.id] for prompt in prompts]

    def off(self, drawn: list[Generation]) -> float:
        due = score_all(self.policy, self.prompts, [g.tokens for g in drawn], batch=4)
        worst = max(abs(a - b) for g, row in zip(drawn, due, strict=True) for a, b in zip(g.logprobs, row, strict=True))
        print(f"{type(self.sampler).__name__}: {worst:.2g} nats over {sum(map(len, due))} tokens")  # noqa: T201 - by -s
        return worst

    @contextmanager
    def moved(self, part: str = "") -> Iterator[None]:
        """Weights whose name holds `part` a tenth larger; then as they were, and sent."""
        with torch.no_grad():
            chosen = [p for name, p in self.policy.model.named_parameters() if part in name]
            kept = [p.clone() for p in chosen]
            for parameter in chosen:
                parameter.mul_(1.1)
            self.policy.moved()
            yield
            for parameter, before in zip(chosen, kept, strict=True):
                parameter.copy_(before)
            self.policy.moved()
        self.sampler.refresh()


@pytest.fixture(scope="module")
def served(address: str, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    (row,) = Http(address, 60).get("/v1/models")["data"]
    folder = tmp_path_factory.mktemp("weights")
    folder.chmod(0o755)
    spec = Server(kind="vllm/server", url=address, folder=str(folder))
    return Drawn(row["root"], spec.build)


@pytest.fixture(scope="module")
def local() -> Drawn:
    on_gpu = torch.cuda.is_available()
    spec = Local(
        kind="vllm/local", weights="ipc" if on_gpu else "disk", sleep=on_gpu, dtype="float32", memory=0.1, group=64
    )
    drawn = Drawn(str(quickstart.MODELS[quickstart.NAME]), spec.build)
    drawn.policy.model.to("cuda" if on_gpu else "cpu")
    return drawn


@pytest.fixture(params=["served", pytest.param("local", marks=needs_vllm)])
def drawn(request: pytest.FixtureRequest) -> Any:
    found: Drawn = request.getfixturevalue(request.param)
    found.sampler.refresh()
    return found


def test_log_probs_of_the_ids_that_came_back_are_the_policys(drawn: Drawn) -> None:
    assert drawn.off(drawn.draw()) < CLOSE
    assert drawn.off(drawn.draw(replace(WHOLE, temperature=0.5, top_k=5))) < CLOSE


@pytest.mark.parametrize("part", ["", "embed"])
def test_weights_count_from_the_push_on_and_not_before(drawn: Drawn, part: str) -> None:
    before = drawn.draw()
    with drawn.moved(part):
        late = drawn.draw()
        assert [g.tokens for g in late] == [g.tokens for g in before]
        assert drawn.off(late) > 10 * CLOSE
        drawn.sampler.refresh()
        assert drawn.off(drawn.draw()) < CLOSE
    assert drawn.off(drawn.draw()) < CLOSE


def test_an_end_ends_once_and_the_cap_holds(drawn: Drawn) -> None:
    for cap in (3, CAP):
        for generation in drawn.draw(replace(WHOLE, max_new_tokens=cap)):
            ends = [token in drawn.policy.eos_ids for token in generation.tokens]
            assert ends.count(True) == ends[-1] == generation.ended
            assert len(generation.tokens) <= cap
            assert generation.ended or len(generation.tokens) == cap


def test_the_same_seed_draws_the_same_alone_too(drawn: Drawn) -> None:
    first = drawn.draw()
    assert drawn.draw() == first
    assert [drawn.draw(prompts=[prompt])[0].tokens for prompt in drawn.prompts] == [g.tokens for g in first]
    assert all(a.tokens != b.tokens for a, b in zip(first, drawn.draw(seed=2), strict=True))
