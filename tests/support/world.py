"""A folder in which the placeholders of the documentation are small real things: `M` a model, `D` data, `RUN` a run."""

from __future__ import annotations

import csv
import json
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from datasets import Dataset

from irltui.runs.folder import RunFolder
from irltui.runs.status import read_status
from support.commands import ROOT
from support.forked import start
from support.runs import demonstrations
from support.tiny import folder

SHORT = {
    "data.max_response_tokens": "8",
    "decoding.max_new_tokens": "8",
    "evaluation.samples": "1",
    "loop.batch": "8",
    "update.generations": "2",
    "update.prompts": "2",
    "update.steps": "2",
}
"""What is set in every run whose command does not set it itself."""
SHORT_STUDY = {"study.seeds": "[0]", "loop.inner_steps": "2"}
"""And in the embedded studies."""
_STUDIES = {"quickstart": ("greedy", "sampled"), "quickstart-clean": ("gold",), "quickstart-rft": ("gold",)}
"""The embedded studies, and their benchmarks."""
MODELS = ("M", "MODEL", "SMOLLM2", "HuggingFaceTB/SmolLM2-135M-Instruct", "alignment-handbook/zephyr-7b-sft-full")
DATA = ("D/rows.jsonl", "P/rows.jsonl", "demos.jsonl", "held_out.jsonl", "prompts.jsonl", "hh300.jsonl",
        "persona320.jsonl")  # fmt: skip
REWARD = """
from irltui.api import Reward, RewardSpec, hookimpl

class Short(RewardSpec):
    learns = False
    beta: float = 0.1

    def build(self, context):
        return ShortReward()

class ShortReward(Reward):
    def score(self, responses):
        return -responses.response_mask.sum(-1).float()

    def parameters(self):
        return iter(())

@hookimpl
def irltui_rewards():
    return {"short": Short}
"""
"""A reward in a file of one's own that nothing trains."""
_KEEP = ("--set", "checkpoint.keep=9")
_WAIT = 60.0


def build(world: Path) -> None:
    """Write models, data and configurations, and train the runs."""
    for name in MODELS:
        folder(world / name)
    _write_data(world)
    options = '[model]\nname = "M"\n[data]\nsource = "demos.jsonl"\n'
    for name in ("my.toml", "CONFIG"):
        (world / name).write_text(f'algorithm = "irft"\n{options}')
    template = (ROOT / "plugins" / "template" / "irltui_template" / "reward.py").read_text(encoding="utf-8")
    (world / "my_reward.py").write_text(template)
    (world / "mine.py").write_text(REWARD)
    data = ("--data", "demos.jsonl")
    train(world, "runs/sft", "run", "sft", "--model", "M", *data, "--set", "loop.outer_iterations=4", *_KEEP)
    train(world, "runs/first", "run", "irft", "--model", "runs/sft", *data, *_KEEP, "--set",
          'benchmarks.gap={kind="logprob_gap", data="pairs.jsonl"}')  # fmt: skip
    train(world, "runs/lora", "run", "irft", "--model", "M", *data, "--set", "adapter.kind=lora")
    train(world, "runs/rft", "run", "rft", "--model", "M", *data)
    train(world, "runs/quickstart", "run", "quickstart")
    for copy in ("runs/irft", "runs/a", "runs/b", "RUN", "runs/try"):
        shutil.copytree(world / "runs" / "first", world / copy)
    shutil.copytree(world / "runs" / "rft" / "reward", world / "JUDGE")
    shutil.copytree(world / "runs" / "sft" / "model", world / "half")
    shutil.copytree(world / "runs" / "quickstart", world / "STUDY")
    broken = ("--set", "optimizer.learning_rate=1e30", "--set", "checkpoint.every_steps=1")
    train(world, "broken", "run", "sft", "--model", "M", *data, *broken, code=1)
    (fault,) = (world / "broken" / "faults").iterdir()
    fault.rename(fault.with_name("0001-000004"))
    shutil.copytree(fault.with_name("0001-000004"), fault.with_name("NAME"))
    shutil.copytree(world / "runs", world / "data" / "runs")


def train(world: Path, out: str, *words: str, code: int = 0) -> None:
    """One run.

    Raises:
        AssertionError: it ended otherwise.
    """
    said = world / "said.txt"
    ended = start([*words, *shorter(words), "--out", out, "--headless"], cwd=world, said=said).wait(_WAIT)
    assert ended == code, said.read_text() + said.with_suffix(".err").read_text()


def shorter(words: Sequence[str]) -> list[str]:
    """Options that keep a run short, those that the command sets itself left out."""
    given = {word.partition("=")[0] for word in words}
    wanted = dict(SHORT)
    if {*_STUDIES} & given:
        lengths = {"data.max_response_tokens", "decoding.max_new_tokens"}  # the world's answers are longer
        wanted = {"data.limit": "40", **{key: value for key, value in wanted.items() if key not in lengths}}
    for study in {*_STUDIES} & set(words[1:2]):
        wanted |= SHORT_STUDY | {f"benchmarks.{name}.count": "4" for name in _STUDIES[study]}
    return [word for key, value in wanted.items() if key not in given for word in ("--set", f"{key}={value}")]


def stopped(world: Path, run: Path) -> None:
    """Let a run be one that was stopped half-way."""
    engine = working(world, run)
    assert start(["ctl", str(run), "stop"], cwd=world, said=world / "said.txt").wait(_WAIT) == 0
    assert engine.wait(_WAIT) == 130
    shutil.rmtree(run / "model", ignore_errors=True)


def working(world: Path, run: Path, passes: int = 60) -> Any:
    """Let a run be one that works and has a checkpoint, which it keeps; its command line's process."""
    shutil.rmtree(run)
    keep = ("--set", f"checkpoint.keep={passes}")
    words = ["run", "sft", "--model", "M", "--data", "demos.jsonl", "--set", f"loop.passes={passes}", *keep]
    process = start([*words, *shorter(words), "--out", str(run), "--headless"], cwd=world, said=world / "working.txt")
    end = time.monotonic() + _WAIT
    first = RunFolder(run).checkpoints / "0001-000000"
    while not (read_status(RunFolder(run)).step and first.exists()) and time.monotonic() < end:
        time.sleep(0.1)
    return process


def _write_data(world: Path) -> None:
    rows = [json.loads(line) for line in demonstrations(world / "demos.jsonl", 40).read_text().splitlines()]
    every = [{**row, "frage": row["prompt"], "antwort": row["completion"], "reply": row["completion"]} for row in rows]
    for name in DATA:
        _write_lines(world / name, every)
    with (world / "demos.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("frage", "antwort"), *((row["prompt"], row["completion"]) for row in rows)])
    _write_lines(world / "answers.jsonl", every[:8])
    _write_lines(world / "org" / "set" / "rows.jsonl", every)
    _write_lines(world / "candidates.jsonl", [row for row in rows[:4] for _ in range(2)])
    _write_lines(world / "best.jsonl", rows)
    _write_lines(world / "marked.jsonl", [{**row, "is_bad": i % 4 == 0} for i, row in enumerate(rows)])
    pairs = [{"prompt": row["prompt"], "chosen": row["completion"], "rejected": "a dog"} for row in rows[:8]]
    _write_lines(world / "pairs.jsonl", pairs)
    chats = [_chat(row) for row in rows]
    _write_lines(world / "UCLA-AGI" / "SPIN_iter0" / "rows.jsonl", [{"real": chat} for chat in chats])
    Dataset.from_list([{"dialogue": chat} for chat in chats]).to_parquet(world / "chats.parquet")
    Dataset.from_list(rows[:8]).to_parquet(world / "answers.parquet")


def _chat(row: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"role": "user", "content": row["prompt"]}, {"role": "assistant", "content": row["completion"]}]


def _write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
