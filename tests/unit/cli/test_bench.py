"""`irltui bench` and `irltui export` up to the process that does the work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from irltui.cli import worker
from irltui.config.requests import Request
from irltui.runs.folder import create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest


@pytest.fixture
def became(monkeypatch) -> dict[str, Any]:
    """What the command line hands to a worker."""
    found: dict[str, Any] = {}

    def work(request: Request) -> int:
        found.update({"command": request.command(), **json.loads(json.dumps(request.model_dump(), default=str))})
        return 0

    monkeypatch.setattr(worker, "work", work)
    return found


@pytest.fixture
def run(tmp_path, make_run):
    """A finished run that configured a benchmark."""
    made = make_run("r")
    values = json.loads(made.manifest.read_text())["config"] | {
        "model": {"name": "m"},
        "benchmarks": {"gold": {"kind": "quickstart", "count": 3}},
    }
    write_manifest(made, new_manifest(values, {}))
    return made


def test_a_kind_becomes_a_benchmark_of_its_name_on_the_given_data(irltui, became) -> None:
    words = ["--benchmark", "logprob_gap", "--data", "d.jsonl", "--set", "benchmarks.logprob_gap.limit=5"]
    assert irltui("bench", "org/model", *words).code == 0
    assert became["command"] == "bench"
    assert became["run"] is None
    assert became["config"]["model"]["name"] == "org/model"
    (found,) = became["config"]["benchmarks"].values()
    assert (found["kind"], found["data"], found["limit"]) == ("logprob_gap", "d.jsonl", 5)


def test_local_files_are_named_absolutely_and_embedded_ones_as_they_are(irltui, became, tmp_path) -> None:
    (tmp_path / "d.jsonl").write_text("{}\n")
    (tmp_path / "quickstart").mkdir()
    irltui("bench", "m", "--benchmark", "heldout_nll", "--data", "d.jsonl")
    assert became["config"]["benchmarks"]["heldout_nll"]["data"] == str(tmp_path / "d.jsonl")
    irltui("bench", "m", "--benchmark", "heldout_nll", "--data", "quickstart")
    assert became["config"]["benchmarks"]["heldout_nll"]["data"] == "quickstart"


def test_a_benchmark_of_a_plugin_file_measures_a_model(irltui, became, tmp_path) -> None:
    template = Path(__file__).parents[3] / "plugins/template/irltui_template/benchmark.py"
    (tmp_path / "mine.py").write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    for name, words in {
        "own": ["--benchmark", "own", "--set", "benchmarks.own.kind=mine/distinct"],
        "distinct": ["--benchmark", "mine/distinct", "--set", 'benchmarks.distinct.prompts=["Why?"]'],
    }.items():
        assert irltui("bench", "M", *words, "--plugin", str(tmp_path / "mine.py")).code == 0
        assert became["config"]["benchmarks"][name]["kind"] == "mine/distinct"


def test_a_run_is_measured_on_the_benchmarks_it_configured(irltui, became, run) -> None:
    assert irltui("bench", run.path).code == 0
    assert became["run"] == str(run.path)
    assert became["config"]["benchmarks"]["gold"]["count"] == 3
    irltui("bench", run.path, "--set", "benchmarks.gold.count=9")
    assert became["config"]["benchmarks"]["gold"]["count"] == 9


def test_only_the_named_benchmarks_are_measured(irltui, became, run) -> None:
    irltui("bench", run.path, "--benchmark", "planted", "--data", "quickstart", "--json")
    assert list(became["config"]["benchmarks"]) == ["planted"]
    assert became["as_json"] is True


def test_a_name_of_ones_own_takes_its_kind_from_set(irltui, became) -> None:
    words = ["--set", "benchmarks.mine.kind=logprob_gap", "--data", "d.jsonl"]
    assert irltui("bench", "m", "--benchmark", "mine", *words).code == 0
    assert became["config"]["benchmarks"]["mine"]["data"] == "d.jsonl"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["m"], 2, "--benchmark: name one or more (built in: quickstart, logprob_gap"),
        (["m", "--benchmark", "logprob_gp"], 2, "did you mean 'logprob_gap'?"),
        (["m", "--benchmark", "logprob_gap"], 2, "benchmarks.logprob_gap.data: required"),
        (["m", "--benchmark", "planted", "--data", "d"], 2, "needs a learned reward, but m is not a run"),
        (["m", "--benchmark", "win_rate", "--data", "d"], 2, "benchmarks.win_rate.judge: required"),
        (["m", "--benchmark", "quickstart", "--data", "d"], 2, "benchmarks.quickstart.data: unknown key"),
        (["m", "--benchmark", "quickstart", "--set", "loop.bach=1"], 2, "did you mean 'batch'?"),
        (["m", "--benchmark", "quickstart", "--strength", "3"], 2, "--strength: m is not a run"),
        (["m", "--benchmark", "quickstart", "--strength", "1,-2"], 2, "--strength 1,-2: not numbers from 0"),
        (["m", "--benchmark", "quickstart", "--temperature", "warm"], 2, "--temperature warm: not numbers from 0"),
        (
            ["m", "--benchmark", "quickstart", "--set", "benchmarks.quickstart.decoding={warmth=1}"],
            2,
            "benchmarks.quickstart.decoding.warmth",
        ),
        (["m", "--benchmark", "quickstart", "--items", "there"], 1, "--items there: already exists"),
    ],
)
def test_wrong_words_are_one_clear_error(irltui, became, tmp_path, words, code, message) -> None:
    (tmp_path / "there").touch()
    result = irltui("bench", *words)
    assert result.code == code
    assert message in result.err
    assert not became


def test_a_run_is_measured_at_several_strengths_and_temperatures(irltui, became, run) -> None:
    assert irltui("bench", run.path, "--strength", "1,3", "--temperature", "0,0.7").code == 0
    assert (became["strengths"], became["temperatures"]) == ([1.0, 3.0], [0.0, 0.7])


def test_a_study_is_not_a_run(irltui, became, tmp_path) -> None:
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "plan.json").write_text("{}")
    result = irltui("bench", "s", "--benchmark", "quickstart")
    assert result.code == 1
    assert "s: holds several runs" in result.err


def test_an_sft_run_has_no_reward_to_measure(irltui, became, run) -> None:
    values = json.loads(run.manifest.read_text())["config"] | {"algorithm": "sft", "objective": {}}
    write_manifest(run, new_manifest(values, {}))
    result = irltui("bench", run.path, "--benchmark", "planted", "--data", "quickstart")
    assert result.code == 2
    assert "benchmarks.planted.kind 'planted' needs a learned reward, but sft learns none" in result.err


def test_export_hands_on_what_it_was_told(irltui, became, run, tmp_path) -> None:
    assert irltui("export", run.path, "--out", "o", "--iteration", "2").code == 0
    rest = {"merge": True, "dtype": "", "hub": "", "public": False, "as_json": False}
    assert became == {"command": "export", "run": str(run.path), "iteration": "2", "out": "o", **rest}


def test_export_goes_to_the_run_folder_and_takes_the_result_by_default(irltui, became, run) -> None:
    assert irltui("export", run.path).code == 0
    assert (became["iteration"], became["out"]) == ("result", str(run.path / "export"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--dtype", "int8"], "int8: must be one of float32"),
        *(
            (["--push-to-hub", name], f"{name}: write it as OWNER/NAME")
            for name in ("model", "me/", "a/b/c", "me/mo del", "me/--x")
        ),
        (["--public"], "needs --push-to-hub"),
    ],
)
def test_export_refuses_options_that_make_no_sense_before_any_work(irltui, became, run, words, message) -> None:
    result = irltui("export", run.path, *words)
    assert result.code == 2
    assert message in " ".join(result.err.replace("│", " ").split())
    assert not became


def test_export_refuses_what_is_no_run_and_what_is_there_already(irltui, became, run, tmp_path) -> None:
    (tmp_path / "o").mkdir()
    assert irltui("export", "nowhere", "--out", "x").code == 3
    result = irltui("export", run.path, "--out", "o")
    assert result.code == 1
    assert "o: already exists" in result.err
    assert not became


def test_names_from_a_run_are_made_safe(irltui, became, tmp_path) -> None:
    run = create_run_folder(tmp_path / "x\x1b[31m")
    result = irltui("bench", run.path)
    assert result.code == 2
    assert "\x1b" not in result.err
