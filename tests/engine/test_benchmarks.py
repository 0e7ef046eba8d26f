"""Benchmarks and advice inside runs of the engine."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import astuple
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from irltui.benchmarks.comparison import read_metrics
from irltui.runs.events import Figure, Kind
from irltui.runs.folder import RunFolder
from support.runs import Change, config, demonstrations, events, finish, prepare, rft, work
from support.tiny import folder


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return folder(tmp_path / "model")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return demonstrations(tmp_path / "demos.jsonl")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Benchmarks over small files: pairs and marked demonstrations that do not train."""
    good = [json.loads(line) for line in demonstrations(tmp_path / "good.jsonl", 12, seed=1).read_text().splitlines()]
    pairs, marked = tmp_path / "pairs.jsonl", tmp_path / "marked.jsonl"
    rows = [{"prompt": r["prompt"], "chosen": r["completion"], "rejected": r["completion"] + " the"} for r in good]
    pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
    marks = [{**row, "bad": i % 3 == 0} for i, row in enumerate(good)]
    marked.write_text("".join(json.dumps(row) + "\n" for row in marks))
    return {
        "gap": {"kind": "logprob_gap", "data": str(pairs)},
        "accuracy": {"kind": "reward_accuracy", "data": str(pairs)},
        "planted": {"kind": "planted", "data": str(marked)},
        "nll": {"kind": "heldout_nll", "data": str(marked)},
    }


def evaluations(run: RunFolder) -> dict[tuple[str, int], dict[str, Figure]]:
    return {(e.benchmark, e.outer_iteration): e.values for e in events(run, Kind.EVALUATION)}


@pytest.mark.parametrize(
    "change",
    [{}, {"adapter": {"kind": "lora", "rank": 4}}, {"loss": {"kind": "sigmoid_norm"}}, rft()],
    ids=["irft", "lora", "per token", "rft"],
)
def test_every_benchmark_is_measured_at_the_start_and_after_each_iteration(
    tmp_path: Path, model: Path, data: Path, files: dict[str, Any], change: Change
) -> None:
    run = finish(tmp_path / "run", config(model, data, {**change, "benchmarks": files}))
    found = evaluations(run)
    assert set(found) == {(name, t) for name in files for t in (-1, 0, 1)}
    for values in found.values():
        for interval in values.values():
            assert interval.low <= interval.mean <= interval.high
            assert all(math.isfinite(value) for value in astuple(interval))
            assert interval.n >= 1
    # Before training the policy is pi_0, and an explicit reward begins at zero: nothing is preferred.
    assert found["accuracy", -1]["accuracy"].mean == 0.5
    assert found["planted", -1]["auc"].mean == 0.5
    assert found["accuracy", 1]["gap"].mean != 0
    first, last = (read_metrics(run.evaluations / f"gap-{t}.jsonl") for t in ("start", "0001"))
    assert first["gap"].keys() == last["gap"].keys()
    assert first != last


def test_benchmarks_do_not_change_what_is_learned(
    tmp_path: Path, model: Path, data: Path, files: dict[str, Any]
) -> None:
    runs = [finish(tmp_path / f"run{len(b)}", config(model, data, {"benchmarks": b})) for b in (files, {})]
    first, second = (load_file(run.model / "model.safetensors") for run in runs)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_measured_reward_is_the_log_ratio_to_the_initial_policy(
    tmp_path: Path, model: Path, data: Path, files: dict[str, Any]
) -> None:
    run = finish(tmp_path / "run", config(model, data, {"benchmarks": files, "reward": {"beta": 0.5}}))
    start, end = (read_metrics(run.evaluations / f"gap-{t}.jsonl") for t in ("start", "0001"))
    rewards = read_metrics(run.evaluations / "accuracy-0001.jsonl")
    for item, reward in rewards["chosen"].items():
        assert reward == pytest.approx(0.5 * (end["chosen"][item] - start["chosen"][item]), abs=1e-4)


def test_a_reward_that_sft_never_learns_is_refused_before_the_start(
    tmp_path: Path, model: Path, data: Path, files: dict[str, Any]
) -> None:
    values = config(model, data, {"algorithm": "sft", "benchmarks": files})
    with pytest.raises(ValueError, match=r"needs a learned reward, but sft learns none"):
        prepare(tmp_path / "run", values)


def test_a_benchmark_whose_name_is_no_file_name_is_refused(tmp_path: Path, model: Path, data: Path) -> None:
    values = config(model, data, {"benchmarks": {"a/b": {"kind": "quickstart"}}})
    with pytest.raises(ValueError, match="'a/b' is not a valid name"):
        prepare(tmp_path / "run", values)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data": "nowhere.jsonl"}, "benchmarks.gap.data: nowhere.jsonl: no such file"),
        ({"chosen": "better"}, 'benchmarks.gap.chosen: column "better" not found in'),
    ],
)
def test_a_benchmark_that_cannot_be_built_ends_the_run_before_it_trains(
    tmp_path: Path, model: Path, data: Path, files: dict[str, Any], options: dict[str, str], message: str
) -> None:
    run = prepare(tmp_path / "run", config(model, data, {"benchmarks": {"gap": files["gap"] | options}}))
    assert work(run) == 2
    (end,) = events(run, Kind.RUN_END)
    assert message in end.reason
    assert not events(run, Kind.METRICS)


def test_a_row_longer_than_the_model_reads_is_named(tmp_path: Path, model: Path, data: Path) -> None:
    pairs = tmp_path / "long.jsonl"
    pairs.write_text(json.dumps({"prompt": "the cat?", "chosen": "the " * 300, "rejected": "a"}) + "\n")
    run = prepare(
        tmp_path / "run", config(model, data, {"benchmarks": {"gap": {"kind": "logprob_gap", "data": str(pairs)}}})
    )
    assert work(run) == 1
    (end,) = events(run, Kind.RUN_END)
    assert "benchmarks.gap: item 1 ('the cat?'...)" in end.reason
    assert "the model reads at most 256" in end.reason


# -- advice ----------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [{}, {"algorithm": "sft"}, rft()], ids=["irft", "sft", "rft"])
def test_every_outer_iteration_ends_with_advice(tmp_path: Path, model: Path, data: Path, change: Change) -> None:
    run = finish(tmp_path / "run", config(model, data, change))
    found = events(run, Kind.ADVICE)
    iterations = [e.outer_iteration for e in events(run, Kind.CHECKPOINT) if e.reason == "outer iteration"]
    assert len(found) == len(iterations)
    assert {f.verdict for f in found} <= {"go_on", "stop", "raise_beta", "add_gamma"}
    assert all(f.text.endswith(".") for f in found)


def test_advice_listens_to_the_gold_metric_of_the_first_benchmark_that_has_one(
    tmp_path: Path, model: Path, data: Path, files: dict[str, Any]
) -> None:
    benchmarks = {"gap": files["gap"], "world": {"kind": "quickstart", "count": 3}}
    run = finish(tmp_path / "run", config(model, data, {"benchmarks": benchmarks}))
    quality = [v["quality"].mean for (name, _), v in evaluations(run).items() if name == "world"]
    ended = json.loads((run.checkpoints / "0002-000000" / "state.json").read_text())["position"]["ended"]
    assert [row["gold/mean"] for row in ended] == quality
    assert not any(name.startswith("gold/") for e in events(run, Kind.METRICS) for name in e.values)


def test_advice_after_a_resume_knows_the_iterations_before(tmp_path: Path, model: Path, data: Path) -> None:
    values = config(model, data, {"reference": {"kind": "fixed"}, "loop": {"outer_iterations": 3}})
    run = finish(tmp_path / "run", values)
    once = [(e.step, e.outer_iteration, e.verdict, e.text) for e in events(run, Kind.ADVICE)]
    shutil.rmtree(run.checkpoints / "0003-000000")  # the last iteration is lost and done again
    assert work(run) == 0
    assert [(e.step, e.outer_iteration, e.verdict, e.text) for e in events(run, Kind.ADVICE)] == once
    ended = json.loads((run.checkpoints / "0003-000000" / "state.json").read_text())["position"]["ended"]
    assert [row["iteration"] for row in ended] == [0, 1, 2, 3]
