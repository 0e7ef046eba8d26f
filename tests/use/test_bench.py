"""`irltui.use bench`: a run's result and any model, measured outside of a run."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from irltui.api.registry import Registry
from irltui.config.requests import BenchRequest
from irltui.config.schema import RunConfig
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.manifest import read_manifest
from support.runs import Change, config, demonstrations, events, finish, prepare, rft
from support.tiny import folder
from support.worker import worked


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench")
    folder(path / "model")
    demonstrations(path / "demos.jsonl")
    rows = [json.loads(line) for line in demonstrations(path / "good.jsonl", 10, seed=1).read_text().splitlines()]
    pairs = [{"prompt": r["prompt"], "chosen": r["completion"], "rejected": r["completion"] + " the"} for r in rows]
    (path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    return path


def benchmarks(place: Path) -> dict[str, Any]:
    return {
        "gap": {"kind": "logprob_gap", "data": str(place / "pairs.jsonl")},
        "accuracy": {"kind": "reward_accuracy", "data": str(place / "pairs.jsonl")},
    }


def options(values: dict[str, Any], **more: Any) -> BenchRequest:
    checked = RunConfig.model_validate(values, context={"registry": Registry()})
    return BenchRequest(config=checked.model_dump(mode="json"), **more)


def measured(capsys: pytest.CaptureFixture[str], values: dict[str, Any], **more: Any) -> dict[str, Any]:
    assert worked(options(values, as_json=True, **more)) == 0
    return json.loads(capsys.readouterr().out)["benchmarks"]


@pytest.mark.parametrize("change", [{}, {"loss": {"kind": "sigmoid_norm"}}, rft()], ids=["irft", "per token", "rft"])
def test_a_finished_run_gives_the_figures_that_it_ended_with(
    tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str], change: Change
) -> None:
    run = finish(
        tmp_path / "run", config(place / "model", place / "demos.jsonl", {**change, "benchmarks": benchmarks(place)})
    )
    ended = {e.benchmark: e.values for e in events(run, Kind.EVALUATION)}
    found = measured(capsys, dict(read_manifest(run).config), run=str(run.path))
    for name, values in ended.items():
        for metric, interval in values.items():
            assert found[name]["values"][metric] == pytest.approx(asdict(interval), abs=1e-4), (name, metric)


@pytest.fixture
def plain(place: Path) -> dict[str, Any]:
    return config(place / "model", place / "demos.jsonl", {"benchmarks": {"gap": benchmarks(place)["gap"]}})


def test_a_model_is_measured_as_it_is_and_item_by_item(
    tmp_path: Path, plain: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    items = tmp_path / "sub" / "items.jsonl"
    found = measured(capsys, plain, items=str(items))["gap"]
    rows = [json.loads(line) for line in items.read_text().splitlines()]
    gaps = [row["value"] for row in rows if row["metric"] == "gap"]
    assert found["values"]["gap"]["mean"] == pytest.approx(sum(gaps) / 10)
    assert found["values"]["gap"]["n"] == 10
    assert found["options"]["kind"] == "logprob_gap"
    assert {row["benchmark"] for row in rows} == {"gap"}


def test_for_people_it_is_a_table(plain: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert worked(options(plain)) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].split() == ["benchmark", "metric", "mean", "95", "%", "interval", "n"]
    assert "measuring gap" in printed.err


def test_what_cannot_be_measured_is_one_clear_error(
    tmp_path: Path, place: Path, plain: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    long = tmp_path / "long.jsonl"
    long.write_text(json.dumps({"prompt": "the cat?", "chosen": "the " * 300, "rejected": "a"}) + "\n")
    cases = [
        ({"benchmarks": {"gap": {"kind": "logprob_gap", "data": "nowhere.jsonl"}}}, 2, "benchmarks.gap.data: nowhere"),
        ({"benchmarks": {"gap": {"kind": "logprob_gap", "data": str(long)}}}, 2, "the model reads at most 256"),
        ({"benchmarks": {"a": benchmarks(place)["accuracy"]}}, 2, "benchmarks.a: this model has no learned"),
        ({"model": {"name": "./nowhere"}}, 2, "model.name: ./nowhere: no such folder"),
    ]
    for change, code, message in cases:
        assert worked(options({**plain, **change})) == code
        printed = capsys.readouterr()
        assert message in printed.err
        assert printed.out == ""


def test_answers_end_where_the_model_can_read_no_further(
    plain: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """The tiny model reads 256 tokens; the default cap of a generation is 512."""
    world = {"benchmarks": {"world": {"kind": "quickstart", "count": 2}}, "data": {"source": "quickstart"}}
    assert measured(capsys, {**plain, **world})["world"]["values"]["quality"]["n"] == 2


def test_a_run_without_a_result_is_refused(
    tmp_path: Path, plain: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(tmp_path / "run", plain)
    assert worked(options(plain, run=str(tmp_path / "run"))) == 1
    assert "no result yet" in capsys.readouterr().err


def test_the_initial_policy_is_missed_by_rewards_alone(
    tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    start = folder(tmp_path / "start")
    run = finish(tmp_path / "run", config(start, place / "demos.jsonl", {"benchmarks": benchmarks(place)}))
    start.rename(tmp_path / "elsewhere")
    values = dict(read_manifest(RunFolder(run.path)).config)
    assert worked(options(values, run=str(run.path))) == 2
    assert "the model that the run started from" in capsys.readouterr().err
    gap = {"gap": benchmarks(place)["gap"]}
    assert "gap" in measured(capsys, {**values, "benchmarks": gap}, run=str(run.path))


def test_strengths_and_temperatures_make_one_table(
    tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    world = {"world": {"kind": "quickstart", "count": 4}}
    change: Change = {"algorithm": "sft", "benchmarks": world, "decoding": {"max_new_tokens": 4}}
    run = finish(tmp_path / "run", config(place / "model", place / "demos.jsonl", change))
    values, asked = dict(read_manifest(run).config), {"strengths": (1, 3), "temperatures": (0, 1)}
    items = tmp_path / "items.jsonl"
    assert worked(options(values, as_json=True, run=str(run.path), items=str(items), **asked)) == 0
    sweep = json.loads(capsys.readouterr().out)["sweep"]
    assert [(cell["strength"], cell["temperature"]) for cell in sweep] == [(1, 0), (1, 1), (3, 0), (3, 1)]
    plain = measured(capsys, values, run=str(run.path))
    assert sweep[1]["benchmarks"]["world"]["values"] == plain["world"]["values"]
    rows = [json.loads(line) for line in items.read_text().splitlines()]
    assert {(row["strength"], row["temperature"]) for row in rows} == {(1, 0), (1, 1), (3, 0), (3, 1)}
    assert worked(options(values, run=str(run.path), **asked)) == 0
    table = capsys.readouterr().out.splitlines()
    assert table[0].split()[:5] == ["benchmark", "metric", "strength", "temperature", "mean"]
    assert [line.split()[1:4] for line in table[-4:]] == [
        ["quality", s, t] for s, t in (("1", "0"), ("1", "1"), ("3", "0"), ("3", "1"))
    ]


def test_a_benchmark_draws_as_its_own_decoding_says_in_training_and_afterwards(
    tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = {"strong": {"strength": 3.0}, "greedy": {"temperature": 0.0}, "plain": {}}
    world = {name: {"kind": "quickstart", "count": 6, "decoding": changes} for name, changes in own.items()}
    change: Change = {"benchmarks": world, "decoding": {"max_new_tokens": 8}, "optimizer": {"learning_rate": 1e-2}}
    run = finish(tmp_path / "run", config(place / "model", place / "demos.jsonl", change))
    ended = {e.benchmark: e.values for e in events(run, Kind.EVALUATION)}
    found = measured(capsys, dict(read_manifest(run).config), run=str(run.path))
    for name in own:
        assert found[name]["values"]["quality"] == pytest.approx(asdict(ended[name]["quality"]), abs=1e-4)
    start = {name: (run.evaluations / f"{name}-start.jsonl").read_text().splitlines() for name in own}
    # Before the first step there is nothing to be strong about; but implausible tokens are left out, so answers differ.
    strong, plain = ([line for line in start[name] if '"quality"' in line] for name in ("strong", "plain"))
    assert strong == plain
