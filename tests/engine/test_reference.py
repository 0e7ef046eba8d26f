"""Reference log-probabilities: of the right policy, over the exact sampled ids, computed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from irltui.config.schema import DataSection
from irltui.data.demonstrations import load_demonstrations
from irltui.lm.policy import LanguageModelPolicy
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
    true = LanguageModelPolicy.token_log_probs

    def count(self: LanguageModelPolicy, responses: Any) -> torch.Tensor:
        if not torch.is_grad_enabled():
            scored.append(int(responses.input_ids.shape[0]))
        return true(self, responses)

    monkeypatch.setattr(LanguageModelPolicy, "token_log_probs", count)
    change: Change = {
        "evaluation": {"samples": 0, "before_training": False, "held_out_pairs": 0},
        "data": {"held_out": 0.0},
        "loop": {"inner_epochs": 3},
    }
    values = config(*inputs, change)
    values["sampler"] = {"kind": "transformers"}  # slots tries the model with some rows of its own
    run = finish(tmp_path / "run", values)
    pairs = sum(len(stored(run, f"{t:04d}")) for t in (0, 1))
    assert pairs == 14
    assert sum(scored) == 2 * pairs


def test_kl_from_the_initial_policy_is_zero_before_training_and_grows(
    tmp_path: Path, inputs: tuple[Path, Path]
) -> None:
    run = finish(tmp_path / "run", config(*inputs, {"optimizer": {"learning_rate": 5e-3}}))
    kl = [e.values["kl/initial"] for e in events(run, Kind.METRICS) if "kl/initial" in e.values]
    assert kl[0] == pytest.approx(0, abs=1e-6)
    assert kl[-1] > 0
