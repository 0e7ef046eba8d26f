"""irltui as a user runs it: the command line, the real engine, a tiny model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from support.runs import demonstrations
from support.tiny import folder

SMALL = ["--set", "data.max_response_tokens=8", "--set", "loop.batch=8", "--set", "loop.outer_iterations=2"]


def irltui(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "irltui", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=120,
        check=False,
        stdin=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1", "NO_COLOR": "1"},
    )


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl")


def test_one_command_leads_from_demonstrations_to_a_model(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    done = irltui(
        "run", "irft", "--model", "model", "--data", "demos.jsonl", "--out", "r", "--headless", *SMALL, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "r" / "model").config.model_type == "llama"
    assert "held-out NLL" in done.stdout
    shown = irltui("show", "r", "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["state"] == "finished"
    again = irltui("run", "r/run.json", "--out", "again", "--headless", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    first, second = (tmp_path / name / "model" / "model.safetensors" for name in ("r", "again"))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_a_result_is_measured_and_its_best_iteration_exported(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    gap = 'benchmarks.gap={kind="logprob_gap", data="pairs.jsonl"}'
    pairs = [{"prompt": f"{word}?", "chosen": "the cat", "rejected": "a dog"} for word in ("one", "two", "three")]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in pairs))
    done = irltui("run", "irft", "--model", inputs[0], "--data", inputs[1], "--out", "r", "--headless", *SMALL,
                  "--set", gap, cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("  advice: ") == 2
    assert "gap: gap" in done.stdout
    (tmp_path / "elsewhere").mkdir()  # the run knows its files wherever it is measured from
    measured = irltui("bench", "../r", "--json", cwd=tmp_path / "elsewhere")
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["benchmarks"]["gap"]["values"]["gap"]["n"] == 3
    exported = irltui("export", "r", "--out", "best", cwd=tmp_path)
    assert exported.returncode == 0, exported.stderr
    assert AutoModelForCausalLM.from_pretrained(tmp_path / "best").config.model_type == "llama"
    missing = irltui("bench", "best", "--benchmark", "heldout_nll", "--data", "nowhere.jsonl", cwd=tmp_path)
    assert missing.returncode == 2
    assert "benchmarks.heldout_nll.data: nowhere.jsonl: no such file" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_a_result_can_be_trained_on(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    sft = irltui("run", "sft", "--model", inputs[0], "--data", inputs[1], "--out", "sft", "--headless", *SMALL,
                 cwd=tmp_path)  # fmt: skip
    assert sft.returncode == 0, sft.stderr
    spin = irltui("run", "spin", "--model", "sft", "--data", inputs[1], "--out", "spin", "--headless", "--set",
                  "loop.batch=8", "--set", "data.max_response_tokens=8", cwd=tmp_path)  # fmt: skip
    assert spin.returncode == 0, spin.stderr


def test_events_are_json_lines_for_machines(tmp_path: Path, inputs: tuple[Path, Path]) -> None:
    done = irltui("run", "sft", "--model", inputs[0], "--data", inputs[1], "--out", "r", "--json", *SMALL, cwd=tmp_path)
    kinds = [json.loads(line)["kind"] for line in done.stdout.splitlines()]
    assert kinds[0] == "phase"
    assert kinds[-1] == "run_end"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--model", "nowhere", "--data", "demos.jsonl"), "model.name: nowhere: cannot load the tokenizer"),
        (("--model", "./nowhere", "--data", "demos.jsonl"), "model.name: ./nowhere: no such folder"),
        (("--model", "model", "--data", "demo.jsonl"), "data.source: demo.jsonl: no such file"),
        (("--model", "model"), "data.source: required; give --data"),
        (("--model", "model", "--data", "demos.jsonl", "--set", "loop.bach=1"), "did you mean 'batch'?"),
        (("--model", "model", "--data", "demos.jsonl", "--set", "data.template=x.jinja"), "x.jinja"),
    ],
)
def test_bad_input_is_one_clear_error_with_exit_code_2(
    tmp_path: Path, inputs: tuple[Path, Path], arguments: tuple[str, ...], message: str
) -> None:
    done = irltui("run", "irft", *arguments, "--out", "r", "--headless", cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


STUDY = """
[study]
seeds = [0, 1]
compare = ["irft", "more"]
metric = "gold/quality"
jobs = 2

[model]
name = "quickstart"

[data]
source = "quickstart"
limit = 40
max_response_tokens = 16

[loop]
batch = 16
outer_iterations = 1

[evaluation]
samples = 1

[benchmarks.gold]
kind = "quickstart"
count = 8

[arms.sft]
algorithm = "sft"

[arms.irft]
start = "sft"

[arms.more]
start = "sft"
algorithm = "sft"
"""


@pytest.mark.slow
def test_a_study_runs_every_arm_with_every_seed_and_ends_in_a_comparison(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(STUDY)
    done = irltui("run", "study.toml", "--headless", "--out", "s", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "irft - more, gold/quality:" in done.stdout
    assert "by seed:" in done.stdout
    runs = json.loads(irltui("runs", "s", "--json", cwd=tmp_path).stdout)
    assert len(runs) == 6
    assert {run["state"] for run in runs} == {"finished"}
    again = irltui("run", "--resume", "s", "--headless", "--json", cwd=tmp_path)
    assert again.returncode == 0
    report = json.loads(again.stdout.splitlines()[-1])
    assert report["kind"] == "comparison"
    assert set(report["arms"]) == {"sft", "irft", "more"}
    # The control trains as many steps on as many demonstrations from the same start.
    configs = [
        json.loads((tmp_path / "s" / "seed-0" / arm / "run.json").read_text())["config"] for arm in ("irft", "more")
    ]
    assert {key for key in configs[0] if configs[0][key] != configs[1][key]} == {"algorithm", "objective"}
