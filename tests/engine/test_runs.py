"""Whole runs on the tiny model: what every algorithm and option promises of its result."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

from irltui.engine.pairs import Pair
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from support.runs import Change, config, demonstrations, events, finish, results, rft, stored
from support.tiny import folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return folder(tmp_path / "model")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return demonstrations(tmp_path / "demos.jsonl")


def weights(run: RunFolder) -> dict[str, torch.Tensor]:
    return load_file(run.model / "model.safetensors")


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def values_of(run: RunFolder, name: str) -> list[float]:
    return [e.values[name] for e in events(run, Kind.METRICS) if name in e.values]


@pytest.mark.parametrize(
    "change",
    [
        {"algorithm": "sft"},
        {"algorithm": "sft", "sft": {"weighting": "sequence"}},
        {},
        {"reference": {"kind": "fixed"}},
        {"reference": {"kind": "mix"}, "loss": {"gamma": 0.5}},
        {"loop": {"outer_iterations": "auto", "inner_steps": 1}, "evaluation": {"samples": 0}},
        {"loop": {"passes": 2, "outer_iterations": 1}},
        {"optimizer": {"kind": "rmsprop", "schedule": "cosine"}},
        {"loss": {"kind": "sigmoid_norm"}, "model": {"gradient_checkpointing": True}},
        {"model": {"dtype": "bfloat16"}, "loss": {"kind": "ipo"}},
        {"model": {"precision": "bfloat16"}, "loss": {"kind": "hinge"}},
        {"adapter": {"kind": "lora", "rank": 4}, "reference": {"kind": "fixed"}},
    ],
    ids=lambda change: json.dumps(change) if isinstance(change, dict) else None,
)
def test_every_algorithm_and_option_ends_in_a_folder_that_loads(
    tmp_path: Path, model: Path, data: Path, change: Change
) -> None:
    run = finish(tmp_path / "run", config(model, data, change))
    loaded = AutoModelForCausalLM.from_pretrained(run.model)
    assert AutoTokenizer.from_pretrained(run.model).chat_template
    assert GenerationConfig.from_pretrained(run.model).eos_token_id == 2
    before = AutoModelForCausalLM.from_pretrained(model)
    assert any(not torch.equal(a, b) for a, b in zip(loaded.parameters(), before.parameters(), strict=True))
    assert values_of(run, "heldout/nll")
    (end,) = events(run, Kind.RUN_END)
    assert end.state == "finished"


def test_spin_is_irft_with_one_outer_iteration_bit_for_bit(tmp_path: Path, model: Path, data: Path) -> None:
    from irltui.config.load import load

    base = [f"model.name={model}", f"data.source={data}", "data.max_response_tokens=8", "loop.batch=4"]
    base += ["optimizer.learning_rate=1e-3"]
    spin = load("spin", base).config.model_dump(mode="json")
    irft = load("irft", [*base, "loop.outer_iterations=1"]).config.model_dump(mode="json")
    first, second = finish(tmp_path / "spin", spin), finish(tmp_path / "irft", irft)
    assert same(weights(first), weights(second))
    assert results(first) == results(second)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path: Path, model: Path, data: Path) -> None:
    runs = [finish(tmp_path / f"run{i}", config(model, data, {"seed": seed})) for i, seed in enumerate((3, 3, 4))]
    assert results(runs[0]) == results(runs[1])
    assert same(weights(runs[0]), weights(runs[1]))
    assert not same(weights(runs[0]), weights(runs[2]))


@pytest.mark.parametrize("algorithm", ["sft", "irft"])
def test_the_micro_batch_does_not_change_the_result(tmp_path: Path, model: Path, data: Path, algorithm: str) -> None:
    """Accumulation weighs pairs and tokens over the whole step; only rounding may differ."""
    trained = [
        weights(
            finish(
                tmp_path / f"run{size}",
                config(
                    model,
                    data,
                    {
                        "algorithm": algorithm,
                        "loop": {"micro_batch": size, "outer_iterations": 1},
                        # Adam's usual epsilon blows rounding of vanishing gradients up to whole steps.
                        "optimizer": {"epsilon": 1e-2, "learning_rate": 1e-2},
                    },
                ),
            )
        )
        for size in (1, 4)
    ]
    assert all(torch.allclose(trained[0][name], trained[1][name], atol=1e-5) for name in trained[0])


def test_lora_exports_the_adapter_and_the_merged_model_alike(tmp_path: Path, model: Path, data: Path) -> None:
    from peft import PeftModel

    run = finish(tmp_path / "run", config(model, data, {"adapter": {"kind": "lora", "rank": 4}}))
    merged = AutoModelForCausalLM.from_pretrained(run.model)
    base = AutoModelForCausalLM.from_pretrained(model)
    adapted = PeftModel.from_pretrained(base, run.adapter)
    ids = torch.tensor([[4, 9, 12, 30, 5]])
    with torch.no_grad():
        assert torch.allclose(merged(ids).logits, adapted(ids).logits, atol=1e-5)


def test_the_metrics_of_the_method_are_written_under_their_names(tmp_path: Path, model: Path, data: Path) -> None:
    run = finish(tmp_path / "run", config(model, data))
    named = {name for event in events(run, Kind.METRICS) for name in event.values}
    expected = [
        "reward/demonstration",
        "reward/generation",
        "reward/gap",
        "reward/accuracy",
        "heldout/loss",
        "heldout/gap",
        "reward/auc",
        "logratio/demonstration",
        "logratio/generation",
        "pairs/both_down",
        "heldout/nll",
        "shortcut/length_auc",
        "shortcut/first_token_auc",
        "generation/length",
        "generation/eos_rate",
        "generation/duplicate_rate",
        "generation/distinct_2",
        "generation/equal_to_demonstration",
        "kl/reference",
        "kl/initial",
        "sampler/logp_error",
        "speed/generated_tokens_per_second",
        "speed/pairs_per_second",
        "memory/peak_bytes",
        "train/loss",
        "train/nll",
        "train/learning_rate",
        "train/gradient_norm",
        "pairs/dropped",
    ]
    assert set(expected) <= named


def test_the_first_inner_step_has_no_gap_for_the_reference_is_the_policy(
    tmp_path: Path, model: Path, data: Path
) -> None:
    run = finish(tmp_path / "run", config(model, data))
    firsts = [e for e in events(run, Kind.METRICS) if e.inner_step == 1 and "reward/gap" in e.values]
    assert len(firsts) == 2
    assert all(abs(e.values["reward/gap"]) < 1e-5 for e in firsts)
    assert max(values_of(run, "sampler/logp_error_max")) < 1e-4


def test_samples_of_the_fixed_prompts_come_before_training_and_after_each_iteration(
    tmp_path: Path, model: Path, data: Path
) -> None:
    run = finish(tmp_path / "run", config(model, data))
    seen = [(e.outer_iteration, e.prompt_id) for e in events(run, Kind.SAMPLE)]
    prompts = {prompt for _, prompt in seen}
    assert len(prompts) == 2
    assert sorted(seen) == sorted((t, prompt) for t in (-1, 0, 1) for prompt in prompts)
    for event in events(run, Kind.SAMPLE):
        assert sum(event.token_rewards) == pytest.approx(event.reward, abs=1e-6)
        assert len(event.token_rewards) == len(event.pieces) == event.tokens


def test_an_inner_loop_ends_early_when_the_gap_is_too_wide(tmp_path: Path, model: Path, data: Path) -> None:
    change: Change = {"early_stop": {"max_gap": 0.05}, "loop": {"inner_epochs": 6}}
    run = finish(tmp_path / "run", config(model, data, change))
    alerts = [e for e in events(run, Kind.ALERT) if e.code == "early_stop"]
    assert alerts
    planned = next(e.total_steps for e in events(run, Kind.RUN_START))
    assert max(e.step for e in events(run, Kind.METRICS)) < planned


def test_an_inner_loop_ends_early_when_held_out_loss_turns(tmp_path: Path, model: Path, data: Path) -> None:
    change: Change = {
        "early_stop": {"held_out_patience": 1, "check_every": 1},
        "loop": {"inner_epochs": 8},
        "optimizer": {"learning_rate": 0.02, "schedule": "constant"},
    }
    run = finish(tmp_path / "run", config(model, data, change))
    assert any("held-out loss" in e.text for e in events(run, Kind.ALERT))


def test_an_equal_pair_is_dropped_and_counted_and_the_rest_trains(tmp_path: Path, model: Path) -> None:
    """Hazard 10: demonstrations that the policy will draw again, since its first draws depend on seeds alone."""
    data = demonstrations(tmp_path / "demos.jsonl", 160)
    change: Change = {"loop": {"outer_iterations": 1}}
    first = finish(tmp_path / "first", config(model, data, change))
    encode = AutoTokenizer.from_pretrained(model).encode
    drawn = {}
    for row in stored(first, "0000"):
        if row["ended"] and row["text"].strip() and encode(row["text"]) == row["tokens"][:-1]:
            drawn[row["prompt_id"]] = row["text"]
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    for number, row in enumerate(rows, start=1):
        row["completion"] = drawn.get(f"row-{number}", row["completion"])
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    second = finish(tmp_path / "second", config(model, data, change))
    assert drawn
    assert 0 < max(values_of(second, "pairs/dropped")) <= len(drawn)
    assert max(values_of(second, "generation/equal_to_demonstration")) > 0


@pytest.mark.parametrize(
    "change", [{"loss": {"gamma": 0.5}}, rft({"reward": {"center": 0.5}})], ids=["gamma", "penalty of the reward"]
)
def test_where_every_pair_is_equal_gamma_and_the_penalty_still_train(
    tmp_path: Path, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch, change: Change
) -> None:
    monkeypatch.setattr(Pair, "is_equal", True)
    run = finish(tmp_path / "run", config(model, data, change))
    norms = values_of(run, "train/gradient_norm")
    assert len(norms) == 6
    if change == {"loss": {"gamma": 0.5}}:
        assert min(norms) > 0
        nll = values_of(run, "heldout/nll")
        assert nll[-1] < nll[0]
    assert not values_of(run, "reward/gap")  # no pair has one


def test_gradient_checkpointing_changes_neither_generations_nor_what_is_learned(
    tmp_path: Path, model: Path, data: Path
) -> None:
    change: Change = {"loop": {"outer_iterations": 1}, "evaluation": {"samples": 0, "before_training": False}}
    kept = finish(tmp_path / "kept", config(model, data, change))
    again = finish(tmp_path / "again", config(model, data, {**change, "model": {"gradient_checkpointing": True}}))
    assert stored(again, "0000") == stored(kept, "0000") != []
    for name, tensor in weights(kept).items():
        torch.testing.assert_close(weights(again)[name], tensor, atol=1e-5, rtol=1e-4)
