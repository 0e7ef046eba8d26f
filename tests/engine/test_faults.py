"""What a run says and keeps when something breaks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from irltui.api import Decoding, Generation, Prompt
from irltui.runs.checkpoints import newest_usable
from irltui.runs.control import Command, send
from irltui.runs.event_lines import as_dict
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.reader import EventReader
from irltui.samplers.slots import SlotSampler
from support.runs import Change, config, demonstrations, events, finish, prepare, work
from support.tiny import folder


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)


def end(run: RunFolder) -> dict[str, Any]:
    return as_dict(events(run, Kind.RUN_END)[-1])


def failed(tmp_path: Path, values: dict[str, Any], code: int) -> dict[str, Any]:
    run = prepare(tmp_path / "run", values)
    assert work(run) == code
    assert end(run)["state"] == "failed"
    assert json.loads(run.status.read_text())["state"] == "failed"
    return end(run)


def test_a_missing_model_folder_is_told_with_exit_code_2(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    told = failed(tmp_path, config(tmp_path / "nowhere" / "model", inputs[1]), 2)
    assert told["reason"] == f"model.name: {tmp_path}/nowhere/model: no such folder"


def test_a_folder_without_a_model_is_told(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    told = failed(tmp_path, config(tmp_path, inputs[1]), 2)
    assert "no model here" in told["reason"]


def test_damaged_weights_are_told(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    (inputs[0] / "model.safetensors").write_bytes(b"\x00" * 40)
    assert "cannot load the model" in failed(tmp_path, config(*inputs), 2)["reason"]


def test_pickled_weights_are_refused(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    (inputs[0] / "model.safetensors").rename(inputs[0] / "pytorch_model.bin")
    assert "cannot load the model" in failed(tmp_path, config(*inputs), 2)["reason"]


def test_bad_data_is_told_before_the_model_is_loaded(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        pytest.fail("the model was loaded")

    monkeypatch.setattr("irltui.engine.start_policy.load_model", refuse)
    inputs[1].write_text('{"prompt": "the"\n')
    assert "demos.jsonl:1: not JSON" in failed(tmp_path, config(*inputs), 2)["reason"]


def test_too_many_outer_iterations_are_told(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    told = failed(tmp_path, config(*inputs, {"loop": {"outer_iterations": 50}}), 2)
    assert "50 outer iterations, but only" in told["reason"]


def test_a_lora_target_that_is_not_there_is_told(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    told = failed(tmp_path, config(*inputs, {"adapter": {"kind": "lora", "targets": ["nothing"]}}), 2)
    assert told["reason"].startswith("adapter.targets: ")


def test_a_diverged_loss_stops_the_run_and_the_last_checkpoint_is_good(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    """Hazard 8: no NaN is averaged away."""
    change: Change = {"optimizer": {"learning_rate": 1e30, "max_grad_norm": 0.0}, "evaluation": {"samples": 0}}
    told = failed(tmp_path, config(*inputs, change), 1)
    assert "not finite" in told["reason"] or "is nan" in told["reason"] or "is inf" in told["reason"]
    assert "--resume" in told["hint"]


Sampled = Callable[[Sequence[Prompt], list[Generation]], list[Generation]]


def tamper(monkeypatch: pytest.MonkeyPatch, change: Sampled) -> None:
    true = SlotSampler.sample

    def sample(self: SlotSampler, prompts: Sequence[Prompt], decoding: Decoding, seed: int) -> Iterator[Generation]:
        return iter(change(prompts, list(true(self, prompts, decoding, seed))))

    monkeypatch.setattr(SlotSampler, "sample", sample)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda prompts, drawn: drawn[1:], "generations for"),
        (lambda prompts, drawn: [drawn[0], *drawn], "generations for"),
        (lambda prompts, drawn: [Generation(g.prompt_id, (), (), False) for g in drawn], "0 tokens"),
        (lambda prompts, drawn: [Generation(g.prompt_id, (999,), (0.0,), False) for g in drawn], "outside the vocab"),
        (lambda prompts, drawn: [Generation(g.prompt_id, (9,), (), False) for g in drawn], "log-probabilities for"),
        (lambda prompts, drawn: [Generation(g.prompt_id, (9,), (0.0,), True) for g in drawn], "`ended`"),
        (lambda prompts, drawn: [Generation(g.prompt_id, (9,) * 99, (0.0,) * 99, False) for g in drawn], "99 tokens"),
    ],
)
def test_a_sampler_that_breaks_its_contract_is_named(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, change: Sampled, problem: str
) -> None:
    tamper(monkeypatch, change)
    told = failed(tmp_path, config(*inputs, {"evaluation": {"samples": 0}}), 1)
    assert told["reason"].startswith("sampler 'slots' broke its contract: ")
    assert problem in told["reason"]


@pytest.mark.parametrize("loss", ["sigmoid", "sigmoid_norm"])
def test_when_every_generation_equals_its_demonstration_the_run_says_so(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, loss: str
) -> None:
    from irltui.engine.pairs import Pair

    monkeypatch.setattr(Pair, "is_equal", True)
    told = failed(tmp_path, config(*inputs, {"loss": {"kind": loss}}), 1)
    assert "every generation equals its demonstration" in told["reason"]


def test_sampling_and_training_use_the_same_prompt_ids_and_the_sampled_ids(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazards 1 and 2: nothing is tokenised twice."""
    from irltui.lm.policy import LanguageModelPolicy

    asked: dict[str, tuple[int, ...]] = {}
    drawn_ids: dict[str, tuple[int, ...]] = {}
    trained: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def remember(prompts: Sequence[Prompt], drawn: list[Generation]) -> list[Generation]:
        asked.update({prompt.id: prompt.tokens for prompt in prompts})
        drawn_ids.update({generation.prompt_id: generation.tokens for generation in drawn})
        return drawn

    tamper(monkeypatch, remember)
    true = LanguageModelPolicy.collate

    def collate(self: Any, prompts: Sequence[Prompt], responses: Any, logp_ref: Any) -> Any:
        half = len(prompts) // 2
        trained.extend((p.tokens, tuple(y)) for p, y in zip(prompts[half:], responses[half:], strict=True))
        return true(self, prompts, responses, logp_ref)

    monkeypatch.setattr(LanguageModelPolicy, "collate", collate)
    finish(tmp_path / "run", config(*inputs, {"evaluation": {"samples": 0, "before_training": False}}))
    assert asked
    for name, prompt in asked.items():
        assert (prompt, drawn_ids[name]) in trained


# -- a process of its own: signals and commands -----------------------------------------------------


def start(run: RunFolder) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "irltui.engine", str(run.path)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


class Watch:
    """Events of a run as they come; each is looked at once."""

    def __init__(self, run: RunFolder) -> None:
        self.run, self.reader, self.waiting = run, EventReader(run.events), deque[Any]()

    def until(self, wanted: Callable[[Any], bool], seconds: float = 60) -> Any:
        """The next event that is wanted."""
        last = time.monotonic() + seconds
        while time.monotonic() < last:
            self.waiting.extend(self.reader.poll())
            while self.waiting:
                event = self.waiting.popleft()
                if wanted(event):
                    return event
            time.sleep(0.02)  # between polls of a file; nothing is assumed to take this long
        raise AssertionError(f"did not happen: {self.run.events.read_text()[-2000:]}")

    def step(self, least: int = 0) -> Any:
        """A metrics event of a step not before `least`."""
        return self.until(lambda e: e.kind == Kind.METRICS and e.step >= least)

    def applied(self, name: str) -> Any:
        """The acknowledgement of a command."""
        return self.until(lambda e: e.kind == Kind.CONTROL and e.id == name and e.state == "applied")


def long_run(tmp_path: Path, inputs: tuple[Path, Path]) -> RunFolder:
    return prepare(tmp_path / "run", config(*inputs, {"loop": {"passes": 500}}))


@pytest.mark.parametrize(
    ("number", "state", "code"),
    [(signal.SIGTERM, "preempted", 75), (signal.SIGINT, "stopped", 130)],
)
def test_a_signal_ends_the_run_with_a_checkpoint(
    tmp_path: Path, inputs: tuple[Path, Path], number: int, state: str, code: int
) -> None:
    run = long_run(tmp_path, inputs)
    engine = start(run)
    watch = Watch(run)
    watch.step(2)
    engine.send_signal(number)
    assert engine.wait(30) == code
    assert end(run)["state"] == state
    assert newest_usable(run)[0]


def test_commands_are_acknowledged_and_do_what_they_say(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = long_run(tmp_path, inputs)
    engine = start(run)
    watch = Watch(run)
    watch.step(2)
    watch.applied(send(run, Command.PAUSE))
    watch.until(lambda e: getattr(e, "phase", "") == "paused")
    assert json.loads(run.status.read_text())["state"] == "paused"
    checkpoint = watch.applied(send(run, Command.CHECKPOINT)).detail
    assert (run.checkpoints / checkpoint / "manifest.json").exists()
    name = send(run, Command.SAMPLE, "the cat?")
    sample = watch.until(lambda e: e.kind == Kind.SAMPLE and e.prompt_id == "asked")
    assert sample.prompt == "the cat?"
    watch.applied(name)
    watch.applied(send(run, Command.NOTE, "a note"))
    (run.control / "1-a.json").write_text("junk")
    watch.until(lambda e: e.kind == Kind.CONTROL and e.state == "rejected")
    watch.applied(send(run, Command.RESUME))
    watch.step()
    watch.applied(send(run, Command.STOP))
    assert engine.wait(30) == 130
    assert end(run)["state"] == "stopped"


def test_a_command_that_an_earlier_engine_left_lying_expires(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = prepare(tmp_path / "run", config(*inputs))
    old = {"id": "1-b", "command": "stop", "text": "", "sent": time.time() - 100_000}
    (run.control / "1-b.json").write_text(json.dumps(old))
    assert work(run) == 0
    assert [e.state for e in events(run, Kind.CONTROL)] == ["expired"]
    assert end(run)["state"] == "finished"


def test_usr1_saves_a_checkpoint_and_goes_on_and_hup_is_ignored(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = long_run(tmp_path, inputs)
    engine = start(run)
    watch = Watch(run)
    watch.step(2)
    engine.send_signal(signal.SIGHUP)
    engine.send_signal(signal.SIGUSR1)
    watch.until(lambda e: e.kind == Kind.CHECKPOINT and "SIGUSR1" in e.reason)
    watch.step()
    engine.kill()
    engine.wait()


def test_a_killed_run_continues_and_a_second_engine_is_refused(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = prepare(tmp_path / "run", config(*inputs, {"loop": {"passes": 8}}))
    engine = start(run)
    Watch(run).step(4)
    assert start(run).wait(30) == 2
    engine.kill()
    engine.wait()
    assert work(run) == 0
    assert end(run)["state"] == "finished"
