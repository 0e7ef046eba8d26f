"""Steps that fail: numbers that are not finite, memory that runs out."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from irltui.api import Responses
from irltui.config.requests import DebugRequest
from irltui.engine.stepper import Stepper
from irltui.errors import RunFolderError
from irltui.lm.policy import LanguageModelPolicy
from irltui.rewards.explicit import ExplicitReward
from irltui.rewards.implicit import ImplicitReward
from irltui.runs.event_lines import as_dict
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.samplers.slots import SlotSampler
from irltui.use import debug
from support.runs import Change, config, demonstrations, events, finish, prepare, rft, work
from support.tiny import folder


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)


def end(run: RunFolder) -> dict[str, str]:
    return as_dict(events(run, Kind.RUN_END)[-1])


def after(count: int, broken: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """`broken` from the `count`-th value that has a gradient on."""
    seen = [0]

    def maybe(value: Tensor) -> Tensor:
        seen[0] += value.requires_grad
        return broken(value) if value.requires_grad and seen[0] >= count else value

    return maybe


def poison(monkeypatch: pytest.MonkeyPatch, where: type, name: str, broken: Callable[[Tensor], Tensor]) -> None:
    true, maybe = getattr(where, name), after(4, broken)
    monkeypatch.setattr(where, name, lambda self, responses: maybe(true(self, responses)))


def nan_forward(value: Tensor) -> Tensor:
    return value * torch.where(torch.arange(len(value)) == 1, float("nan"), 1.0)


class NanBackward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient * float("inf")


@pytest.mark.parametrize(
    ("change", "where", "name", "broken", "reason"),
    [
        ({"algorithm": "sft"}, LanguageModelPolicy, "log_probs", nan_forward, "the loss is nan"),
        ({}, ImplicitReward, "score", nan_forward, "the loss is nan"),
        ({}, ImplicitReward, "score", NanBackward.apply, "the gradient's norm is nan"),
        (rft(), ExplicitReward, "score", nan_forward, "the loss is nan"),
        (rft(), LanguageModelPolicy, "log_probs", nan_forward, "the loss is nan"),
        (rft(), LanguageModelPolicy, "log_probs", NanBackward.apply, "the gradient's norm is nan"),
    ],
    ids=["log-prob", "implicit reward", "gradient", "explicit reward", "policy step", "gradient of a policy step"],
)
def test_a_number_that_is_not_finite_ends_the_run_and_its_batch_is_kept(
    tmp_path: Path,
    inputs: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: Change,
    where: type,
    name: str,
    broken: Callable[[Tensor], Tensor],
    reason: str,
) -> None:
    run = prepare(tmp_path / "run", config(*inputs, {**change, "checkpoint": {"every_steps": 1}}))
    with monkeypatch.context() as patched:
        poison(patched, where, name, broken)
        assert work(run) == 1
    assert end(run)["reason"] == reason
    (kept,) = run.faults.iterdir()
    assert end(run)["hint"].endswith(f"irltui debug batch {kept}")
    assert not run.model.exists()
    # Nothing is broken any more, so the replay finds finite numbers; in a real fault it would not.
    debug.main(DebugRequest(folder=kept, as_json=True))
    told = json.loads(capsys.readouterr().out)
    assert told["fault"]["reason"] == reason
    is_policy_step = where is LanguageModelPolicy and change != {"algorithm": "sft"}
    assert (told["fault"]["policy_step"] is not None) == is_policy_step
    sides = {row["side"] for row in told["rows"]}
    assert sides == {"generation"} if is_policy_step else sides <= {"demonstration", "generation"}
    assert all(abs(row["log_prob"]) < 1e6 for row in told["rows"])
    assert work(run) == 0  # from the last good checkpoint


def once(broken: Callable[[Tensor], Tensor], at: int) -> Callable[[Tensor], Tensor]:
    seen = [0]

    def maybe(value: Tensor) -> Tensor:
        seen[0] += value.requires_grad
        return broken(value) if value.requires_grad and seen[0] == at else value

    return maybe


@pytest.mark.parametrize(
    ("change", "where", "name", "broken"),
    [
        ({"algorithm": "sft"}, LanguageModelPolicy, "log_probs", nan_forward),
        ({}, ImplicitReward, "score", nan_forward),
        ({}, ImplicitReward, "score", NanBackward.apply),
        (rft(), ExplicitReward, "score", nan_forward),
    ],
    ids=["log-prob", "implicit reward", "gradient", "explicit reward"],
)
def test_a_step_that_is_not_finite_is_skipped_counted_and_kept_if_that_is_allowed(
    tmp_path: Path,
    inputs: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    change: Change,
    where: type,
    name: str,
    broken: Callable[[Tensor], Tensor],
) -> None:
    loop = {"loop": {"max_nonfinite_steps": 1}}
    expected = finish(tmp_path / "whole", config(*inputs, change))
    true, maybe = getattr(where, name), once(broken, 3)
    monkeypatch.setattr(where, name, lambda self, responses: maybe(true(self, responses)))
    run = finish(tmp_path / "run", config(*inputs, {**change, **loop}))
    (alert,) = events(run, Kind.ALERT, where=lambda event: event.code == "not_finite")
    (kept,) = run.faults.iterdir()
    assert "is skipped: the" in alert.text
    assert alert.text.endswith(f"(1 of at most 1). Inspect its batch: irltui debug batch {kept}")
    skipped = events(run, Kind.METRICS, where=lambda event: "train/skipped" in event.values)
    assert [event.values for event in skipped] == [{"train/skipped": 1.0}]
    steps = [events(each, Kind.METRICS)[-1].step for each in (run, expected)]
    assert steps[0] == steps[1]  # the plan, and so the learning rate, stays
    assert all(tensor.isfinite().all() for tensor in load_file(run.model / "model.safetensors").values())


def test_more_steps_that_are_not_finite_than_allowed_end_the_run_also_over_a_resume(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    change = {"loop": {"max_nonfinite_steps": 1}, "checkpoint": {"every_steps": 1}}
    run = prepare(tmp_path / "run", config(*inputs, change))
    poison(monkeypatch, ImplicitReward, "score", nan_forward)
    assert work(run) == 1
    assert end(run)["reason"] == "the loss is nan"
    assert len(events(run, Kind.ALERT, where=lambda event: event.code == "not_finite")) == 1
    assert work(run) == 1  # those before the checkpoint count
    assert len(events(run, Kind.ALERT, where=lambda event: event.code == "not_finite")) == 1


def test_the_replay_shows_which_rows_and_gradients_are_not_finite(
    tmp_path: Path, inputs: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    change: Change = {"optimizer": {"learning_rate": 1e30, "max_grad_norm": 0.0}, "evaluation": {"samples": 0}}
    run = prepare(tmp_path / "run", config(*inputs, {"algorithm": "sft", **change}))
    assert work(run) == 1
    (kept,) = run.faults.iterdir()
    debug.main(DebugRequest(folder=kept))
    shown = capsys.readouterr().out
    assert "!!" in shown
    assert "loss now             nan" in shown
    assert "embed_tokens" in shown.partition("gradient not finite")[2]


def test_a_folder_without_a_failed_step_is_told(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = prepare(tmp_path / "run", config(*inputs))
    with pytest.raises(RunFolderError, match="no failed step is stored here"):
        debug.main(DebugRequest(folder=run.faults / "0000-000001"))


FULL = RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes.")


def limit(monkeypatch: pytest.MonkeyPatch, most: int, after: int = 0) -> None:
    """Let memory run out where a forward pass with gradient holds more than `most` responses, from pass `after` on."""
    true, passes = LanguageModelPolicy.token_log_probs, [0]

    def token_log_probs(self: LanguageModelPolicy, responses: Responses) -> Tensor:
        passes[0] += torch.is_grad_enabled()
        if torch.is_grad_enabled() and passes[0] > after and len(responses.input_ids) > most:
            raise FULL
        return true(self, responses)

    monkeypatch.setattr(LanguageModelPolicy, "token_log_probs", token_log_probs)


@pytest.mark.parametrize("change", [{"algorithm": "sft"}, {}], ids=["sft", "irft"])
def test_out_of_memory_halves_the_micro_batch_and_the_result_is_that_of_the_smaller_one(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    def values(size: int) -> dict[str, object]:
        kept = {"checkpoint": {"every_steps": 1}}  # memory runs out right behind a checkpoint, too
        return config(*inputs, {**change, **kept, "loop": {"micro_batch": size}, "optimizer": {"epsilon": 1e-2}})

    expected = finish(tmp_path / "small", values(1))
    limit(monkeypatch, 2 if change == {} else 1, after=1)
    run = finish(tmp_path / "large", values(4))
    told = [e.text for e in events(run, Kind.ALERT) if e.code == "memory"]
    assert [text.split(";")[0] for text in told] == [
        "Out of memory: the micro-batch is now 2 instead of 4",
        "Out of memory: the micro-batch is now 1 instead of 2",
    ]
    ours, theirs = (load_file(r.model / "model.safetensors") for r in (run, expected))
    assert all(torch.allclose(ours[name], theirs[name], atol=1e-5) for name in theirs)
    announced = [e for e in events(run, Kind.METRICS) if "generation/length" in e.values]
    assert len(announced) == (2 if change == {} else 0)  # once an outer iteration


def test_when_less_is_not_possible_the_run_says_what_to_lower(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare(tmp_path / "run", config(*inputs))
    limit(monkeypatch, 0)
    assert work(run) == 1
    assert end(run)["reason"] == "out of memory in phase update, micro-batch 1"
    assert "Lower loop.micro_batch, sampler.slots" in end(run)["hint"]


def test_out_of_memory_in_sampling_is_told_at_once(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare(tmp_path / "run", config(*inputs, {"evaluation": {"samples": 0}}))

    def sample(*arguments: object) -> object:
        raise FULL

    monkeypatch.setattr(SlotSampler, "sample", sample)
    assert work(run) == 1
    assert end(run)["reason"] == "out of memory in phase sample, micro-batch 2"


def test_another_runtime_error_is_not_taken_for_memory(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = prepare(tmp_path / "run", config(*inputs))

    def accumulate(self: Stepper, loss: Tensor) -> float:
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(Stepper, "accumulate", accumulate)
    assert work(run) == 1
    assert end(run)["reason"] == "RuntimeError: shape mismatch"
