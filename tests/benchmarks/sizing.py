"""What `irltui check` says against what then happens: `PYTHONPATH=tests python tests/benchmarks/sizing.py MODEL DATA`.

One outer iteration of each algorithm on this machine, one thread, full fine-tuning and LoRA; prints estimated and
measured peak memory and seconds, and the estimate's error.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.reader import read_events

COMMON = ("data.limit=60", "data.max_prompt_tokens=256", "data.max_response_tokens=96", "loop.outer_iterations=1",
          "loop.passes=1", "evaluation.samples=0", "evaluation.before_training=false",
          "evaluation.held_out_pairs=0")  # fmt: skip
LORA = ("adapter.kind=lora", "optimizer.learning_rate=1e-5")
CASES: dict[str, tuple[str, ...]] = {
    "sft": ("sft",),
    "irft": ("irft", "loop.inner_steps=auto"),
    "irft, LoRA": ("irft", "loop.inner_steps=auto", *LORA),
    "irft, checkpointing": ("irft", "loop.inner_steps=auto", "model.gradient_checkpointing=true"),
    "rft": ("rft", "loop.inner_steps=auto", "update.steps=2"),
}
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def arguments(case: str, model: str, data: str) -> list[str]:
    preset, *sets = CASES[case]
    return [
        preset,
        "--model",
        model,
        "--data",
        data,
        *(part for value in (*COMMON, *sets) for part in ("--set", value)),
    ]


def estimate(case: str, model: str, data: str) -> dict[str, Any]:
    line = [sys.executable, "-m", "irltui", "check", *arguments(case, model, data), "--json"]
    return json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE, env=ENVIRONMENT).stdout)["estimate"]


def measure(case: str, model: str, data: str, folder: Path) -> tuple[float, float]:
    """Peak bytes, and seconds from the first generation to the evaluation."""
    line = [sys.executable, "-m", "irltui", "run", *arguments(case, model, data), "--headless", "--out", str(folder)]
    subprocess.run(line, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=ENVIRONMENT)
    found = [event for event in read_events(RunFolder(folder).events) if event.kind in {Kind.PHASE, Kind.METRICS}]
    phases = [(e.time, e.phase) for e in found if e.kind == Kind.PHASE]
    began = next(at for at, phase in phases if phase in {"sample", "update"})
    ended = next(at for at, phase in phases if phase == "evaluate" and at > began)
    peaks = [e.values.get("memory/peak_bytes", 0) for e in found if e.kind == Kind.METRICS]
    return max(peaks), ended - began


def main(model: str, data: str) -> None:
    print("| run | memory, GB: estimated | measured | error | seconds: estimated | measured | error |")
    print("|---|---|---|---|---|---|---|")
    for case in CASES:
        said = estimate(case, model, data)
        with tempfile.TemporaryDirectory() as scratch:
            peak, seconds = measure(case, model, data, Path(scratch) / "run")
        memory, time = said["memory"]["peak"], said["seconds"]["all"]
        print(
            f"| {case} | {memory / 1e9:.1f} | {peak / 1e9:.1f} | {memory / peak - 1:+.0%} | {time:.0f} | {seconds:.0f} "
            f"| {time / seconds - 1:+.0%} |",
            flush=True,
        )


if __name__ == "__main__":
    main(*sys.argv[1:3])
