"""Training, scoring, replay and samples build the same parts: one reward gives one number everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from irltui.config.load import recorded
from irltui.config.requests import DebugRequest
from irltui.engine import checkpoint
from irltui.engine.assemble import Parts, build
from irltui.engine.stepper import Stepper
from irltui.errors import NotFiniteError
from irltui.lm.policy import score_all
from irltui.rewards.scoring import score_rewards
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from irltui.samplers.store import SampleStore
from irltui.use import debug
from irltui.use.learned import load_learned
from support.learned import lines, scored
from support.runs import config, events, finish, prepare, rft, work

pytestmark = pytest.mark.usefixtures("trust_code")

RANDOM = """
import torch
from torch import nn
from irltui.api import *

class Mine(RewardSpec):
    '''A number for each token: half of it frozen and random, once from the context's seed, once from torch's stream.'''
    needs_reference = False
    beta: float = 0.1
    def build(self, context):
        return Table(context.seed)

class Table(Reward):
    def __init__(self, seed):
        own = torch.Generator().manual_seed(seed % 2**63)
        self.frozen = torch.randn(8, generator=own) + torch.randn(8)
        self.learned = nn.Parameter(torch.zeros(8))
    def score(self, responses):
        table = (self.frozen + self.learned)[responses.input_ids % 8]
        return (table * responses.response_mask).sum(-1)
    def parameters(self):
        yield self.learned
    def save(self, folder):
        torch.save(self.learned.detach(), folder / "learned.pt")
    def load(self, folder):
        self.learned.data = torch.load(folder / "learned.pt")

@hookimpl
def irltui_rewards():
    return {"mine": Mine}
"""
PENALISED = """
from irltui.api import *

class Mine(RewardSpec):
    '''The log-ratio, with a penalty on its size.'''
    implicit = True
    beta: float = 0.1
    def build(self, context):
        return Penalised(context.policy, self.beta)

class Penalised(Reward):
    def __init__(self, policy, beta):
        self._policy, self._beta = policy, beta
    def score(self, responses):
        return self._beta * (self._policy.log_probs(responses) - responses.logp_ref)
    def penalty(self, responses):
        demonstration, generation = self.score(responses).chunk(2)
        return 0.3 * (demonstration - generation - 1).square()
    def parameters(self):
        return self._policy.parameters()

@hookimpl
def irltui_rewards():
    return {"mine": Mine}
"""


def with_plugin(folder: Path, text: str, values: dict[str, Any]) -> dict[str, Any]:
    (folder / "mine.py").write_text(text)
    return {
        **values,
        "plugins": {"files": {"mine": {"path": str(folder / "mine.py")}}},
        "reward": {"kind": "mine/mine", "beta": 0.2},
    }


def restored(run: RunFolder) -> Parts:
    """The parts as training has them after its last checkpoint."""
    parts = build(recorded(read_manifest(run).config), run.samples, lambda: None, lambda _: None)
    checkpoint.restore(run, parts.trained())
    return parts


def test_score_gives_the_scores_of_training_for_a_reward_with_random_parts(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    change = rft({"loop": {"outer_iterations": 1}, "update": {"steps": 1}})
    run = finish(tmp_path / "run", with_plugin(tmp_path, RANDOM, config(*inputs, change)))
    parts = restored(run)
    shown = [*parts.data.train, *parts.data.held_out]
    trained = score_rewards(
        parts.reward, parts.policy, [d.prompt for d in shown], [d.tokens for d in shown], None, batch=4
    )
    by_prompt = {row["prompt"]: row["reward"] for row in scored(run, tmp_path / "scores.jsonl", inputs[1])}
    assert len(shown) == len(by_prompt) == 40
    source = {(row["prompt"], row["completion"]) for row in lines(inputs[1])}
    prompts = {d.text: next(p for p, c in source if c == d.text and p in d.prompt.text) for d in shown}
    assert [by_prompt[prompts[d.text]] for d in shown] == [score.total for score in trained]


def test_a_reward_that_needs_no_reference_does_not_have_the_pairs_scored_under_it(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    change = rft({"loop": {"outer_iterations": 1}, "evaluation": {"samples": 0}, "update": {"steps": 1}})
    run = finish(tmp_path / "run", with_plugin(tmp_path, RANDOM, config(*inputs, change)))
    store = SampleStore(run.samples, "0000")
    assert len(store.generations) == 40
    assert all(score.demonstration != score.demonstration for score in store.reference.values())  # NaN: never asked
    assert all(score.logp_error is not None for score in store.reference.values())


@pytest.mark.parametrize("kind", ["sigmoid", "sigmoid_norm"])
def test_debug_batch_computes_the_loss_of_the_step_with_gamma_and_penalty(
    tmp_path: Path,
    inputs: tuple[Path, Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    losses: list[float] = []
    true = Stepper.accumulate

    def accumulate(self: Stepper, loss: Any) -> float:
        losses.append(true(self, loss))
        return losses[-1]

    def step(self: Stepper, planned: int) -> tuple[float, float]:
        if planned == 2:
            raise NotFiniteError("the gradient's norm is nan", "")
        losses.clear()
        return moved(self, planned)

    moved = Stepper.step
    monkeypatch.setattr(Stepper, "accumulate", accumulate)
    monkeypatch.setattr(Stepper, "step", step)
    values = config(*inputs, {"loss": {"kind": kind, "gamma": 0.3}, "optimizer": {"learning_rate": 5e-3}})
    run = prepare(tmp_path / "run", with_plugin(tmp_path, PENALISED, values))
    assert work(run) != 0
    (kept,) = run.faults.iterdir()
    debug.main(DebugRequest(folder=kept, as_json=True))
    found = json.loads(capsys.readouterr().out)
    assert len(losses) == 2
    assert found["loss"] == sum(losses)
    assert found["bad_gradients"] == []


def test_rewards_per_token_are_the_same_in_training_samples_and_score(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    change = {"loss": {"kind": "sigmoid_norm"}, "optimizer": {"learning_rate": 5e-3}, "evaluation": {"samples": 6}}
    run = finish(tmp_path / "run", config(*inputs, change))
    parts, learned = restored(run), load_learned(run)
    shown = [parts.data.held_out[i] for i in range(6)]
    prompts = [demonstration.prompt for demonstration in shown]
    drawn = {g.prompt_id: g.tokens for g in parts.sampler.sample(prompts, parts.decoding, parts.samples_seed)}
    responses = [drawn[prompt.id] for prompt in prompts]
    with parts.policy.initial() as initial:
        reference = score_all(initial, prompts, responses, batch=2)
    logp = score_all(parts.policy, prompts, responses, batch=2)
    due = [0.1 * (sum(now) - sum(then)) / len(now) for now, then in zip(logp, reference, strict=True)]

    trained = score_rewards(parts.reward, parts.policy, prompts, responses, reference, batch=2)
    samples = events(run, Kind.SAMPLE, where=lambda event: event.outer_iteration == 1)
    used = learned.rewards(prompts, responses, batch=2)
    assert [score.total for score in trained] == pytest.approx(due, abs=1e-6)
    assert [sample.reward for sample in samples] == [score.total for score in trained]
    assert [score.total for score in used] == pytest.approx(due, abs=1e-6)
    assert max(map(abs, due)) > 1e-3
    for given in (*(s.token_rewards for s in samples), *(score.tokens for score in used)):
        assert any(sum(given) == pytest.approx(total, abs=1e-6) for total in due)
