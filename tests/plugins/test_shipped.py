"""The distributions of plugins/, installed by pip and found through their entry points alone."""

from __future__ import annotations

import json
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from support.runs import demonstrations, events
from support.site import ROOT, Site
from support.tiny import folder

SMALL = ["--set", "data.max_response_tokens=8", "--set", "loop.outer_iterations=2", "--set", "evaluation.samples=2"]


def test_they_are_listed_from_their_metadata(shipped: Site, tmp_path: Path) -> None:
    listed = json.loads(shipped.irltui("plugins", "list", "--json", cwd=tmp_path).stdout)
    rows = {row["plugin"]: row for row in listed}
    assert set(rows) == {"irltui", "dense", "discriminator", "iq", "lm_eval", "template", "vllm"}
    assert (rows["dense"]["origin"], rows["dense"]["version"]) == ("irltui-dense-reward", "0.1.0")
    assert rows["dense"]["kinds"] == []  # nothing was imported


def test_their_kinds_and_options_are_listed_once_loaded(shipped: Site, tmp_path: Path) -> None:
    done = shipped.irltui("plugins", "list", "--load", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "reward template/bounded: r = limit tanh(beta log(pi / pi_ref) / limit)" in done.stdout
    assert "    limit (default 2.0): No reward is larger than this." in done.stdout
    assert "    half (required): A checkpoint half-way through its training: folder or hub name." in done.stdout


def test_the_template_passes_its_check(shipped: Site, tmp_path: Path) -> None:
    done = shipped.irltui("plugins", "check", "template", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "checks of 4 kinds, 0 failed" in done.stdout


def test_a_check_names_the_option_that_it_needs(shipped: Site, tmp_path: Path) -> None:
    done = shipped.irltui("plugins", "check", "dense", cwd=tmp_path)
    assert done.returncode == 1
    assert "Its options can be made: sft: Field required; half: Field required; give --set log_ratio.sft=VALUE" in (
        done.stdout
    )
    given = ["--set", "log_ratio.sft=quickstart", "--set", "log_ratio.half=quickstart"]
    assert shipped.irltui("plugins", "check", "dense", *given, cwd=tmp_path).returncode == 0


def test_every_part_of_the_template_works_in_a_run(shipped: Site, tmp_path: Path) -> None:
    model, data = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 12)
    parts = ["reward.kind=template/bounded", "sampler.kind=template/plain", "benchmarks.words.kind=template/distinct"]
    chosen = [argument for part in parts for argument in ("--set", part)]
    line = ["run", "irft", "--model", model, "--data", data, "--out", "run", "--headless", *SMALL, *chosen]
    done = shipped.irltui(*line, "--set", 'benchmarks.words.prompts=["the cat?"]', cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    measured = events(RunFolder(tmp_path / "run"), Kind.EVALUATION)
    assert [event.benchmark for event in measured] == ["words"] * 3


@pytest.mark.slow
def test_the_dense_reward_moves_the_policy_without_reward_training_and_survives_resume(
    shipped: Site, tmp_path: Path
) -> None:
    sft, half = folder(tmp_path / "sft"), folder(tmp_path / "half", "llama")
    weights = load_file(half / "model.safetensors")
    torch.manual_seed(1)
    moved = {name: tensor + 0.1 * torch.randn_like(tensor) for name, tensor in weights.items()}
    save_file(moved, half / "model.safetensors", metadata={"format": "pt"})
    data = demonstrations(tmp_path / "demos.jsonl", 12)
    chosen = ["--set", "reward.kind=dense/log_ratio", "--set", "reward.sft=sft", "--set", "reward.half=half"]
    steps = ["--set", "update.prompts=3", "--set", "checkpoint.every_steps=1", "--set", "optimizer.learning_rate=1e-3"]
    line = ["run", "rft", "--model", sft, "--data", data, "--headless", *SMALL, *chosen, *steps]
    done = shipped.irltui(*line, "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run = RunFolder(tmp_path / "run")
    named = {name for event in events(run, Kind.METRICS) for name in event.values}
    assert "policy/reward" in named
    assert "train/loss" not in named  # no reward step
    before, after = load_file(sft / "model.safetensors"), load_file(run.model / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in after)
    assert json.loads(run.manifest.read_text())["config"]["reward"]["half"] == str(half)

    script = tmp_path / "stop.py"
    script.write_text(STOP)
    stopped = shipped.irltui(
        *line, "--out", "again", "--set", "benchmarks.stop.kind=stop/stop", "--plugin", script, cwd=tmp_path
    )
    assert stopped.returncode != 0
    (tmp_path / "go").touch()
    resumed = shipped.irltui("run", "--resume", "again", "--headless", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    resumed_weights = load_file(tmp_path / "again" / "model" / "model.safetensors")
    assert all(torch.equal(tensor, after[name]) for name, tensor in resumed_weights.items())


def test_a_run_draws_from_a_server_that_follows_its_policy(shipped: Site, tmp_path: Path) -> None:
    found = spec_from_file_location("vllm_standin", ROOT / "plugins" / "irltui-vllm" / "tests" / "standin.py")
    assert found is not None
    assert found.loader is not None
    standin = sys.modules[found.name] = module_from_spec(found)
    found.loader.exec_module(standin)
    chosen = ["data.limit=12", "optimizer.learning_rate=1e-3", "sampler.kind=vllm/server", "sampler.folder=weights"]
    chosen += ["loop.outer_iterations=2", "evaluation.samples=2", "data.max_response_tokens=20"]
    with standin.listening() as (url, handler):
        given = [part for name in [*chosen, f"sampler.url={url}"] for part in ("--set", name)]
        line = ["run", "irft", "--model", "quickstart", "--data", "quickstart", "--out", "run", "--headless"]
        done = shipped.irltui(*line, *given, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    values = [event.values for event in events(RunFolder(tmp_path / "run"), Kind.METRICS)]
    errors = [row["sampler/logp_error"] for row in values if "sampler/logp_error" in row]
    assert len(errors) >= 2
    assert max(errors) < 1e-4  # the trainer's own scores: every iteration was drawn from its weights
    assert handler.served.calls.count("/collective_rpc") == 3  # two iterations, and the end


@pytest.mark.slow
def test_tasks_of_the_harness_are_measured_in_a_run_and_change_nothing_of_it(shipped: Site, tmp_path: Path) -> None:
    pytest.importorskip("lm_eval")
    model, data = folder(tmp_path / "model"), demonstrations(tmp_path / "demos.jsonl", 12)
    source = ROOT / "plugins" / "irltui-lm-eval" / "tests" / "tasks"
    task = (source / "colours.yaml").read_text().replace("TASKS", str(source))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "colours.yaml").write_text(task)
    line = ["run", "irft", "--model", model, "--data", data, "--headless", *SMALL]
    measured = ["--set", 'benchmarks.c={kind="lm_eval/tasks", tasks=["colours"], include_path="tasks"}']
    for out, chosen in (("plain", []), ("measured", measured)):
        done = shipped.irltui(*line, *chosen, "--out", out, cwd=tmp_path, HF_DATASETS_CACHE=str(tmp_path / "cache"))
        assert done.returncode == 0, done.stderr
    found = events(RunFolder(tmp_path / "measured"), Kind.EVALUATION)
    assert [sorted(event.values) for event in found] == [["colours/acc", "colours/acc_norm"]] * 3
    assert found[0].values["colours/acc"].n == 6
    weights = [load_file(tmp_path / out / "model" / "model.safetensors") for out in ("plain", "measured")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


STOP = '''
from pathlib import Path
from irltui.api import Benchmark, BenchmarkSpec, Score, hookimpl

class Stop(BenchmarkSpec):
    """Ends the engine after the first outer iteration, unless a file is there."""
    def build(self, context):
        return Stops()

class Stops(Benchmark):
    asked = 0
    def evaluate(self, model):
        self.asked += 1
        if self.asked == 2 and not Path("go").exists():
            raise OSError("the disk is gone")
        yield Score("0", "one", 1.0)

@hookimpl
def irltui_benchmarks():
    return {"stop": Stop}
'''
