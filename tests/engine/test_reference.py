"""Reference log-probabilities: of the right policy, over the exact sampled ids, computed once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from irltui.config.schema import DataSection
from irltui.data.demonstrations import load_demonstrations
from irltui.lm import policy
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from support.runs import Change, config, demonstrations, events, finish, stored
from support.tiny import folder


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 14)


def expected(inputs: tuple[Path, Path], run: RunFolder, t: int) -> dict[str, tuple[float, float]]:
    """Log pi_0 of demonstration and generation, row by row in float64."""
    from transformers import AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(inputs[0]).double()
    section = DataSection(source=str(inputs[1]), max_response_tokens=8, held_out=0.2)
    data = load_demonstrations(section, AutoTokenizer.from_pretrained(inputs[0]), frozenset({2}))
    by_id = {d.prompt.id: d for side in (data.train, data.held_out) for d in side}

    def score(prompt: tuple[int, ...], response: tuple[int, ...]) -> float:
        with torch.no_grad():
            logp = torch.log_softmax(model(torch.tensor([[*prompt, *response]])).logits[0], -1)
        return sum(float(logp[len(prompt) - 1 + i, token]) for i, token in enumerate(response))

    found = {}
    for row in stored(run, f"{t:04d}"):
        d = by_id[row["prompt_id"]]
        found[d.prompt.id] = (score(d.prompt.tokens, d.tokens), score(d.prompt.tokens, tuple(row["tokens"])))
    return found


@pytest.mark.parametrize(
    ("change", "t"),
    [
        ({}, 0),
        ({"reference": {"kind": "fixed"}}, 1),
        ({"reference": {"kind": "mix"}}, 0),
        ({"reference": {"kind": "fixed"}, "adapter": {"kind": "lora", "rank": 2}}, 1),
    ],
    ids=["rolling starts at the initial policy", "fixed stays there", "mix starts there", "the adapter is off"],
)
def test_the_reference_is_the_policy_that_the_rule_names(
    tmp_path: Path, inputs: tuple[Path, Path], change: Change, t: int
) -> None:
    run = finish(tmp_path / "run", config(*inputs, change))
    plain = expected(inputs, run, t)
    scores = stored(run, f"{t:04d}.reference")
    assert len(scores) == len(plain) > 0
    for row in scores:
        assert (row["demonstration"], row["generation"]) == pytest.approx(plain[row["prompt_id"]], abs=1e-3)


def test_a_rolling_reference_has_moved_on_by_the_second_iteration(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    run = finish(tmp_path / "run", config(*inputs))
    plain = expected(inputs, run, 1)
    scores = stored(run, "0001.reference")
    assert any(abs(row["demonstration"] - plain[row["prompt_id"]][0]) > 0.01 for row in scores)


def test_every_pair_is_scored_under_the_reference_once_an_iteration(
    tmp_path: Path, inputs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    true = policy.token_log_probs

    def count(model: Any, head: Any, responses: Any, rows: Any) -> torch.Tensor:
        if not torch.is_grad_enabled():
            scored.append(int(responses.input_ids.shape[0]))
        return true(model, head, responses, rows)

    monkeypatch.setattr(policy, "token_log_probs", count)  # the forward pass itself: what is remembered costs nothing
    change: Change = {
        "evaluation": {"samples": 0, "before_training": False, "held_out_pairs": 0},
        "data": {"held_out": 0.0},
        "loop": {"inner_epochs": 3},
    }
    values = config(*inputs, change)
    values["sampler"] = {"kind": "transformers"}
    run = finish(tmp_path / "run", values)
    pairs = sum(len(stored(run, f"{t:04d}")) for t in (0, 1))
    assert pairs == 14
    tried = 4  # rows by which the sampler checks once that it draws from the policy
    assert sum(scored) == 2 * pairs + tried


def test_kl_from_the_initial_policy_is_zero_before_training_and_grows(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    run = finish(tmp_path / "run", config(*inputs, {"optimizer": {"learning_rate": 5e-3}}))
    kl = [e.values["kl/initial"] for e in events(run, Kind.METRICS) if "kl/initial" in e.values]
    assert kl[0] == 0
    assert kl[-1] > kl[1] > 0


@pytest.mark.parametrize("change", [{}, {"checkpoint": {"every_steps": 1, "keep": 1}}], ids=["plain", "many saved"])
@pytest.mark.parametrize("kind", ["rolling", "fixed", "mix"])
def test_kl_is_that_of_the_policy_from_its_reference_on_the_held_out_generations(
    tmp_path: Path, inputs: tuple[Path, Path], kind: str, change: Change
) -> None:
    """Against transformers alone: final weights, those of the last checkpoint before, and the stored generations."""
    learning: Change = {
        "optimizer": {"learning_rate": 5e-3},
        "reference": {"kind": kind, "weight": 0.25},
        "evaluation": {"samples": 9},  # all held-out prompts
    }
    run = finish(tmp_path / "run", config(*inputs, {**learning, "checkpoint": {"keep": 9}}))
    again = finish(tmp_path / "again", config(*inputs, {**learning, **change}))
    told = [e.values for e in events(run, Kind.METRICS) if "kl/reference" in e.values]
    assert told == [e.values for e in events(again, Kind.METRICS) if "kl/reference" in e.values]
    initial, final = (AutoModelForCausalLM.from_pretrained(path) for path in (inputs[0], run.model))
    began = AutoModelForCausalLM.from_pretrained(inputs[0])
    began.load_state_dict(load_file(run.checkpoints / "0001-000000" / "parameters.safetensors"), strict=False)
    tokenizer = AutoTokenizer.from_pretrained(inputs[0])
    prompts = {f"row-{i}": json.loads(line)["prompt"] for i, line in enumerate(inputs[1].read_text().splitlines(), 1)}
    trained = {e.prompt_id for e in events(run, Kind.SAMPLE)}
    held_out = [row for row in stored(run, "0001") if row["prompt_id"] in trained]
    assert held_out
    sums = {"initial": 0.0, "began": 0.0}
    for row in held_out:
        prompt = tokenizer(f"<|user|>{prompts[row['prompt_id']]}<|assistant|>")["input_ids"]
        ids = torch.tensor([[*prompt, *row["tokens"]]])
        with torch.no_grad():
            at = slice(len(prompt) - 1, -1)
            p, q, r = (m(ids).logits[0, at].double().log_softmax(-1) for m in (final, initial, began))
        sums["initial"] += float((p.exp() * (p - q)).sum())
        sums["began"] += float((p.exp() * (p - r)).sum())
    tokens = sum(len(row["tokens"]) for row in held_out)
    to_initial, to_began = sums["initial"] / tokens, sums["began"] / tokens
    expected = {"rolling": to_began, "fixed": to_initial, "mix": 0.25 * to_initial + 0.75 * to_began}[kind]
    assert told[-1]["kl/initial"] == pytest.approx(to_initial, rel=1e-4)
    assert told[-1]["kl/reference"] == pytest.approx(expected, rel=1e-4)
    assert to_initial != pytest.approx(to_began, rel=0.1)
