"""Whole RFT runs on the tiny model: the same loop, a reward of its own, and a policy step that follows it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from irltui.api import PolicyStep, Prompt, Reward, Sampler
from irltui.api.registry import Registry
from irltui.config.schema import RunConfig
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.metrics import METRICS
from irltui.updates.rloo import RlooUpdate
from support.runs import Change, config, demonstrations, events, finish, prepare, results, rft, work
from support.tiny import folder


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl")


def values_of(run: RunFolder, name: str) -> list[float]:
    return [e.values[name] for e in events(run, Kind.METRICS) if name in e.values]


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"update": {"kind": "boltzmann", "prompts": 4, "generations": 4}},
        {"loss": {"kind": "linear"}, "reward": {"bound": 1.0}},
        {"reward": {"freeze": 1, "init": "restart", "history": 2}, "loop": {"outer_iterations": 3}},
        {"reward": {"lora_rank": 2}, "adapter": {"kind": "lora", "rank": 2}},
        {"update": {"kind": "rloo", "steps": 1}, "evaluation": {"samples": 0}},
        {"model": {"gradient_checkpointing": True}},
    ],
    ids=json.dumps,
)
def test_every_option_ends_in_a_policy_and_a_reward_that_load(
    tmp_path: Path, inputs: tuple[Path, Path], change: Change
) -> None:
    run = finish(tmp_path / "run", config(*inputs, rft(change)))
    AutoModelForCausalLM.from_pretrained(run.model)
    reward = AutoModelForSequenceClassification.from_pretrained(run.reward)
    assert reward.config.num_labels == 1
    assert reward.score.weight.abs().max() > 0
    before, after = load_file(inputs[0] / "model.safetensors"), load_file(run.model / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in after)


def test_every_metric_of_a_policy_step_is_written_and_documented(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    named: set[str] = set()
    for kind in ("rloo", "boltzmann"):
        run = finish(tmp_path / kind, config(*inputs, rft({"update": {"kind": kind}})))
        named |= {name for event in events(run, Kind.METRICS) for name in event.values}
    assert {name for name in METRICS if name.startswith("policy/")} <= named
    assert {"reward/probe_mean", "reward/gap", "heldout/loss", "kl/reference", "kl/initial"} <= named
    assert named <= METRICS.keys()


def test_the_reward_learns_and_the_policy_follows(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    """On demonstrations that all say the same, a reward is easily learned and easily followed."""
    rows = [json.loads(line) | {"completion": "the red sun"} for line in inputs[1].read_text().splitlines()]
    inputs[1].write_text("".join(json.dumps(row) + "\n" for row in rows))
    change = rft(
        {
            "loop": {"outer_iterations": 2, "inner_steps": 20},
            "update": {"kind": "rloo", "steps": 15, "prompts": 4, "generations": 8},
            "optimizer": {"learning_rate": 3e-3, "schedule": "constant"},
            "reward_optimizer": {"learning_rate": 1e-2, "schedule": "constant"},
            "evaluation": {"samples": 4},
        }
    )
    run = finish(tmp_path / "run", config(*inputs, change))
    gaps, rewards = values_of(run, "reward/gap"), values_of(run, "policy/reward")
    assert gaps[0] == 0  # a new head has no opinion
    assert gaps[19] > 0.5
    assert sum(rewards[10:15]) > sum(rewards[:5])
    assert sum(rewards[25:]) > sum(rewards[15:20])


def test_reward_steps_leave_the_policy_alone_and_policy_steps_the_reward(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[float, float]] = []
    true = RlooUpdate.losses

    def watched(
        self: RlooUpdate, reward: Reward, sampler: Sampler, prompts: Sequence[Prompt], t: int, start: int
    ) -> Iterator[PolicyStep]:
        def sums() -> tuple[float, float]:
            policy = sum(float(p.detach().double().abs().sum()) for p in self._context.policy.parameters())
            return policy, sum(float(p.detach().double().abs().sum()) for p in reward.parameters())

        seen.append(sums())
        yield from true(self, reward, sampler, prompts, t, start)
        seen.append(sums())

    monkeypatch.setattr(RlooUpdate, "losses", watched)
    finish(tmp_path / "run", config(*inputs, rft()))
    (policy_0, reward_0), (policy_1, reward_1), (policy_2, reward_2), _ = seen
    assert reward_0 == reward_1 != reward_2
    assert policy_0 != policy_1 == policy_2


def test_boltzmann_draws_from_the_reference_once_a_run(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    change = rft(
        {"update": {"kind": "boltzmann", "generations": 3}, "loop": {"passes": 2, "outer_iterations": 1, "batch": 8}}
    )
    run = finish(tmp_path / "run", config(*inputs, change))
    rows = (run.samples / "reference.jsonl").read_text().splitlines()
    ids = [json.loads(row)["prompt_id"] for row in rows]
    assert len(ids) == len(set(ids)) == 3 * 19  # prompts of both passes


def test_the_micro_batch_does_not_change_the_result(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    trained = []
    for size in (1, 4):
        change = rft({"loop": {"micro_batch": size}, "optimizer": {"epsilon": 1e-2}})
        change["reward_optimizer"] = {"learning_rate": 1e-3, "epsilon": 1e-2}
        run = finish(tmp_path / str(size), config(*inputs, change))
        trained.append(load_file(run.model / "model.safetensors") | load_file(run.reward / "model.safetensors"))
    assert all(torch.allclose(trained[0][name], trained[1][name], atol=1e-4) for name in trained[0])


def test_the_same_seed_gives_the_same_run(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    first, second = (finish(tmp_path / name, config(*inputs, rft())) for name in ("first", "second"))
    assert results(first) == results(second)


def told(tmp_path: Path, values: dict[str, object], code: int) -> str:
    run = prepare(tmp_path / "run", values)
    assert work(run) == code
    (end,) = events(run, Kind.RUN_END)
    return f"{end.reason} {end.hint}"


def test_an_update_that_skips_a_step_is_named(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    true = RlooUpdate.losses

    def skipping(self: RlooUpdate, *arguments: object) -> Iterator[PolicyStep]:
        return (replace(step, s=step.s + 1) for step in true(self, *arguments))

    monkeypatch.setattr(RlooUpdate, "losses", skipping)
    message = told(tmp_path, config(*inputs, rft()), 1)
    assert "update 'rloo' broke its contract: step 1 where 0 was due" in message


def test_an_update_that_stops_early_is_named(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RlooUpdate, "losses", lambda self, *arguments: iter(()))
    assert "0 of 4 policy steps" in told(tmp_path, config(*inputs, rft()), 1)


def test_a_diverged_policy_step_stops_the_run(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    change = rft({"optimizer": {"learning_rate": 1e30, "max_grad_norm": 0.0}, "evaluation": {"samples": 0}})
    message = told(tmp_path, config(*inputs, change), 1)
    assert "not finite" in message or "is nan" in message or "is inf" in message


def test_too_many_frozen_layers_are_told_with_the_key(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    assert "reward.freeze: 9 layers" in told(tmp_path, config(*inputs, rft({"reward": {"freeze": 9}})), 2)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"reward": {"kind": "implicit"}}, "must be an explicit reward for rft"),
        (
            {"reference": {"kind": "rolling"}},
            "does not go with rft: its pi_ref is the initial",
        ),
        ({"loss": {"kind": "sigmoid_norm"}}, "set it to 'sigmoid', 'linear', 'hinge', 'ipo' or 'robust'"),
        ({"decoding": {"temperature": 0.0}}, "decoding.temperature = 0 is greedy"),
        ({"decoding": {"top_k": 5}}, "decoding.top_k = 5 leaves out tokens"),
        ({"decoding": {"top_p": 0.9}}, "decoding.top_p = 0.9 leaves out tokens"),
        ({"loss": {"gamma": 0.1}}, "must be 0 for rft"),
        ({"algorithm": "irft"}, "must be an implicit reward for irft"),
        ({"update": {"kind": "rloo", "generations": 1}}, "greater than or equal to 2"),
        ({"reward": {"kind": "explicit", "history": 0}}, "history"),
    ],
)
def test_a_configuration_that_cannot_be_rft_is_refused(change: Change, problem: str) -> None:
    values = config(Path("m"), Path("d"), {**rft(), **change})
    with pytest.raises(ValueError, match=problem):
        RunConfig.model_validate(values, context={"registry": Registry()})
