"""The sampler against a stand-in for vLLM that serves the embedded model: exact tokens and log-probabilities."""

from __future__ import annotations

import copy
import importlib.util
import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from pydantic import ValidationError

from irltui.api import Decoding, Generation, Prompt
from irltui.config.load import recorded
from irltui.config.schema import ModelSection
from irltui.data.demonstrations import load_demonstrations
from irltui.engine.evaluate import Evaluator
from irltui.engine.safepoint import SafePoint
from irltui.lm.load import load_model, load_tokenizer
from irltui.lm.policy import LanguageModelPolicy, score_all
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from irltui.samplers.store import SampleStore
from irltui.testing import check_sampler
from irltui.testing.case import Case, make_case
from irltui_vllm import Local, Server
from irltui_vllm.errors import VllmError
from support.runs import Change, config, demonstrations, finish, rft

_found = importlib.util.spec_from_file_location("irltui_vllm_standin", Path(__file__).with_name("standin.py"))
standin = importlib.util.module_from_spec(_found)
sys.modules[_found.name] = standin
_found.loader.exec_module(standin)
SHORT = Decoding(max_new_tokens=6)


@pytest.fixture
def server() -> Iterator[tuple[str, Any]]:
    with standin.listening() as found:
        yield found


def _spec(url: str, folder: Path, **options: Any) -> Server:
    return Server(kind="vllm/server", url=url, folder=str(folder), **options)


def _drawn(case: Case, sampler: Any, decoding: Decoding = SHORT) -> list[Generation]:
    found = {g.prompt_id: g for g in sampler.sample(case.prompts, decoding, 1)}
    return [found[prompt.id] for prompt in case.prompts]


def _off(policy: LanguageModelPolicy, prompts: list[Prompt], drawn: list[Generation]) -> float:
    due = score_all(policy, prompts, [g.tokens for g in drawn], batch=4)
    return max(abs(a - b) for g, row in zip(drawn, due, strict=True) for a, b in zip(g.logprobs, row, strict=True))


# -- server ----------------------------------------------------------------------------------


@pytest.mark.parametrize("sleep", [False, True])
def test_the_server_keeps_the_contract(server: tuple[str, Any], tmp_path: Path, sleep: bool) -> None:
    check_sampler(_spec(server[0], tmp_path, sleep=sleep))


def test_weights_are_sent_once_and_again_when_the_policy_has_moved(server: tuple[str, Any], tmp_path: Path) -> None:
    url, handler = server
    with make_case(_spec(url, tmp_path)) as case:
        sampler, calls = case.spec.build(case.context), handler.served.calls
        for _ in range(3):
            sampler.refresh()
            _drawn(case, sampler)
        once = ["/pause?mode=wait", "/collective_rpc", "/resume"]
        assert calls == ["/wake_up?tags=weights", *once, "/wake_up?tags=kv_cache"]
        with torch.no_grad():
            next(case.policy.parameters()).mul_(0.99)
        calls.clear()
        sampler.refresh()
        assert calls == once
        assert _off(case.policy, case.prompts, _drawn(case, sampler)) < 1e-4
    assert not list(tmp_path.iterdir())


def test_a_server_that_was_left_asleep_is_woken_by_a_run_without_sleep(server: tuple[str, Any], tmp_path: Path) -> None:
    server[1].served.sleep()
    with make_case(_spec(server[0], tmp_path)) as case:
        sampler = case.spec.build(case.context)
        sampler.refresh()
        assert _off(case.policy, case.prompts, _drawn(case, sampler)) < 1e-4
        assert not server[1].served.asleep


def test_a_server_of_dummy_weights_is_told_what_to_leave_out(server: tuple[str, Any], tmp_path: Path) -> None:
    server[1].served.load_format = "dummy"
    with make_case(_spec(server[0], tmp_path)) as case:
        sampler = case.spec.build(case.context)
        with pytest.raises(VllmError, match=r"--load-format dummy, which cannot read(.|\n)*Start it without"):
            sampler.refresh()


def test_a_sleeping_server_is_woken_weights_first(server: tuple[str, Any], tmp_path: Path) -> None:
    url, handler = server
    with make_case(_spec(url, tmp_path, sleep=True)) as case:
        sampler = case.spec.build(case.context)
        sampler.refresh()
        first = _drawn(case, sampler)
        assert handler.served.asleep == {"weights", "kv_cache"}
        handler.served.calls.clear()
        assert _drawn(case, sampler) == first
        names = [call.partition("?mode")[0] for call in handler.served.calls]
        assert names == [
            "/wake_up?tags=weights",
            "/pause",
            "/collective_rpc",
            "/resume",
            "/wake_up?tags=kv_cache",
            "/sleep?level=2",
        ]


def test_adapters_are_merged_for_the_server_and_stay_for_the_policy(server: tuple[str, Any], tmp_path: Path) -> None:
    with make_case(_spec(server[0], tmp_path)) as case:
        adapted = get_peft_model(case.policy.model, LoraConfig(r=2, target_modules="all-linear"))
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(std=0.1)
        policy = LanguageModelPolicy(adapted, case.policy.tokenizer, case.policy.eos_ids, lambda: None)
        sampler = case.spec.build(replace(case.context, policy=policy))
        sampler.refresh()
        assert _off(policy, case.prompts, _drawn(case, sampler)) < 1e-4
        assert any("lora_B" in name for name, _ in adapted.named_parameters())
        with policy.initial() as initial:
            reference = case.spec.build(replace(case.context, policy=initial))
            reference.refresh()
            assert _off(initial, case.prompts, _drawn(case, reference)) < 1e-4
        sampler.refresh()
        assert _off(policy, case.prompts, _drawn(case, sampler)) < 1e-4


def test_two_policies_that_share_a_server_draw_each_from_its_own_weights(
    server: tuple[str, Any], tmp_path: Path
) -> None:
    with make_case(_spec(server[0], tmp_path)) as case:
        model = copy.deepcopy(case.policy.model)
        with torch.no_grad():
            model.get_output_embeddings().weight.mul_(1.5)
        moved = LanguageModelPolicy(model, case.policy.tokenizer, case.policy.eos_ids, lambda: None)
        samplers = [(p, case.spec.build(replace(case.context, policy=p))) for p in (case.policy, moved)]
        for policy, sampler in samplers * 2:
            sampler.refresh()
            assert _off(policy, case.prompts, _drawn(case, sampler)) < 1e-4


@pytest.mark.parametrize("change", [{}, {"adapter": {"kind": "lora", "rank": 2}}], ids=["all weights", "adapters"])
def test_an_answer_that_is_asked_for_meanwhile_is_the_policys_and_the_reference_stays_the_initial_policy(
    server: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    """Boltzmann draws from pi_0 after the policy has moved, by the server that serves the policy."""
    true, off, in_answer = SafePoint.poll, list[float](), [False]
    reached = Evaluator.generate

    def generate(self: Evaluator, prompts: Any, seed: int) -> list[Generation]:
        drawn = reached(self, prompts, seed)
        off.append(_off(self._parts.policy, prompts, drawn))
        return drawn

    def poll(self: SafePoint) -> None:
        true(self)
        if self.sample is not None and not in_answer[0]:
            in_answer[0] = True
            self.sample("the cat")
            in_answer[0] = False

    monkeypatch.setattr(Evaluator, "generate", generate)
    monkeypatch.setattr(SafePoint, "poll", poll)
    values = config(Path("quickstart"), demonstrations(tmp_path / "data.jsonl", 12), rft(change))
    values |= {
        "model": {"name": "quickstart"},
        "sampler": {"kind": "vllm/server", "url": server[0], "folder": str(tmp_path / "weights"), "group": 4},
        "update": {"kind": "boltzmann", "prompts": 3, "generations": 2},
        "optimizer": {"learning_rate": 0.05},
        "evaluation": {"samples": 0},
    }
    run = finish(tmp_path / "run", values)
    assert max(off) < 1e-4
    section = ModelSection(name="quickstart")
    initial = LanguageModelPolicy(load_model(section), load_tokenizer(section), frozenset({0}), lambda: None)
    asked = {d.prompt.id: d.prompt for d in _asked(run)}
    drawn = SampleStore(run.samples, "reference").generations.values()
    assert len(drawn) > 12
    assert _off(initial, [asked[g.prompt_id.partition("#")[0]] for g in drawn], list(drawn)) < 1e-4


def _asked(run: RunFolder) -> Iterator[Any]:
    section = recorded(read_manifest(run).config)
    tokenizer = load_tokenizer(section.model)
    yield from load_demonstrations(section.data, tokenizer, frozenset({0})).train


SPOILED = {
    "an error": ((500, b'{"error": {"message": "EngineDeadError", "code": 500}}'), "HTTP 500: EngineDeadError"),
    "a truncated answer": ((200, b'{"choices": [{"tok'), "is no JSON"),
    "another service": ((200, b'{"ok": true}'), "no answer of a vLLM server"),
    "no ids": (
        (200, b'{"choices": [{"finish_reason": "stop", "token_ids": null}]}'),
        "the answer holds no token ids",
    ),
    "no log-probabilities": (
        (200, b'{"choices": [{"finish_reason": "stop", "token_ids": [5], "logprobs": null}]}'),
        "without a log-probability each",
    ),
    "an abort": ((200, b'{"choices": [{"finish_reason": "abort", "token_ids": []}]}'), "ended by 'abort'"),
    "another prompt": (
        (200, b'{"choices": [{"finish_reason": "stop", "prompt_token_ids": [1]}]}'),
        "read 1 other tokens",
    ),
    "an escape": ((500, b'{"error": {"message": "\\u001b[2Jgone", "code": 500}}'), "HTTP 500: [^\x1b]*gone"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_the_server_gets_wrong_is_named(server: tuple[str, Any], tmp_path: Path, name: str) -> None:
    url, handler = server
    handler.spoil, message = SPOILED[name]
    with make_case(_spec(url, tmp_path)) as case:
        sampler = case.spec.build(case.context)
        sampler.refresh()
        with pytest.raises(VllmError, match=message):
            _drawn(case, sampler)


def test_a_connection_that_breaks_within_the_answer_is_named(server: tuple[str, Any], tmp_path: Path) -> None:
    server[1].missing = 10
    with make_case(_spec(server[0], tmp_path)) as case, pytest.raises(VllmError, match="no answer: IncompleteRead"):
        case.spec.build(case.context)


def test_more_tokens_than_the_server_may_hold_are_told_with_a_remedy(server: tuple[str, Any], tmp_path: Path) -> None:
    with make_case(_spec(server[0], tmp_path)) as case:
        sampler = case.spec.build(case.context)
        sampler.refresh()
        with pytest.raises(VllmError, match=r"max_model_len=200(.|\n)*--max-model-len"):
            _drawn(case, sampler, Decoding(max_new_tokens=500))


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize("kind", ["server", "local"])
def test_a_response_that_vllm_cuts_short_is_no_generation(
    server: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    spec = _spec(server[0], tmp_path) if kind == "server" else Local(kind="vllm/local")
    with make_case(spec) as case:
        longest = max(len(prompt.tokens) for prompt in case.prompts)
        monkeypatch.setattr(standin, "LIMIT", longest + 1)
        sampler = case.spec.build(case.context)
        sampler.refresh()
        with pytest.raises(
            VllmError, match=r"truncated after \d of \d+ tokens, with a prompt of(.|\n)*--max-model-len"
        ):
            _drawn(case, sampler, Decoding(max_new_tokens=longest))


def test_another_model_is_told_with_what_is_served(server: tuple[str, Any], tmp_path: Path) -> None:
    with (
        make_case(_spec(server[0], tmp_path, model="large")) as case,
        pytest.raises(VllmError, match="serves tiny, not large"),
    ):
        case.spec.build(case.context)


def test_a_server_that_is_not_there_is_told(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        spec = _spec(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path)
        with make_case(spec) as case, pytest.raises(VllmError, match=r"/v1/models: no answer: .*refused"):
            case.spec.build(case.context)


def test_a_server_that_is_silent_is_left_after_the_time_limit(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        spec = _spec(f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path, timeout=0.05)
        with make_case(spec) as case, pytest.raises(VllmError, match=r"no answer in 0\.05 s"):
            case.spec.build(case.context)


def test_a_wrong_key_is_told_without_it(
    server: tuple[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server[1].key = "right"
    monkeypatch.setenv("VLLM_API_KEY", "a-wrong-one")
    with make_case(_spec(server[0], tmp_path)) as case:
        sampler = case.spec.build(case.context)
        sampler.refresh()
        with pytest.raises(VllmError, match="HTTP 401") as told:
            _drawn(case, sampler)
        assert "a-wrong-one" not in str(told.value)
        monkeypatch.setenv("VLLM_API_KEY", "right")
        assert len(_drawn(case, sampler)) == len(case.prompts)


def test_a_folder_that_cannot_be_written_is_named(server: tuple[str, Any], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with make_case(_spec(server[0], tmp_path / "file" / "under")) as case:
        sampler = case.spec.build(case.context)
        with pytest.raises(VllmError, match="under: cannot be written"):
            sampler.refresh()


def test_options_that_cannot_be_are_refused(server: tuple[str, Any]) -> None:
    with pytest.raises(ValidationError, match="must not hold a name or a password"):
        Server(kind="vllm/server", url="http://me:secret@host:8000")
    with pytest.raises(ValidationError, match="pattern"):
        Server(kind="vllm/server", url="ftp://host")
    with (
        make_case(Server(kind="vllm/server", url=server[0])) as case,
        pytest.raises(VllmError, match=r"sampler\.folder is missing"),
    ):
        case.spec.build(case.context)


# -- in the process --------------------------------------------------------------------------


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is there")
@pytest.mark.parametrize("weights", ["nccl", "ipc"])
def test_without_vllm_what_needs_it_is_named(server: tuple[str, Any], tmp_path: Path, weights: str) -> None:
    for spec in (Local(kind="vllm/local"), _spec(server[0], tmp_path, weights=weights)):
        with make_case(spec) as case, pytest.raises(VllmError, match=r"vllm.* cannot be imported(.|\n)*pip install"):
            case.spec.build(case.context)


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("VLLM_ALLOW_INSECURE_SERIALIZATION", "1")
    for name, module in standin.package().items():
        monkeypatch.setitem(sys.modules, name, module)
    return standin.LLM


@pytest.mark.usefixtures("vllm")
@pytest.mark.parametrize("given", [{}, {"weights": "disk", "sleep": False}])
def test_the_sampler_in_the_process_keeps_the_contract(given: dict[str, Any]) -> None:
    check_sampler(Local(kind="vllm/local", **given))


def test_it_sleeps_between_draws_and_is_sent_weights_before_its_cache(vllm: Any) -> None:
    with make_case(Local(kind="vllm/local", group=4)) as case:
        sampler = case.spec.build(case.context)
        sampler.refresh()
        assert _off(case.policy, case.prompts, _drawn(case, sampler)) < 1e-4
        push = ["start", "update", "finish", "reset"]
        assert vllm.latest.served.calls == ["init", *push, "sleep 2"]
        vllm.latest.served.calls.clear()
        sampler.refresh()
        _drawn(case, sampler)
        assert vllm.latest.served.calls == ["wake weights", *push, "wake kv_cache", "sleep 2"]


def test_what_vllm_raises_while_it_is_sent_weights_is_named(vllm: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: object) -> None:
        raise RuntimeError("CUDA error: invalid device context")

    monkeypatch.setattr(vllm, "update_weights", broken)
    with make_case(Local(kind="vllm/local")) as case:
        sampler = case.spec.build(case.context)
        with pytest.raises(VllmError, match="could not be sent by ipc: RuntimeError: CUDA error"):
            sampler.refresh()
