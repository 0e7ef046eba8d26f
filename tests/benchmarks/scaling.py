"""Time per outer iteration and memory as demonstrations grow: `PYTHONPATH=tests python tests/benchmarks/scaling.py`.

One IRFT outer iteration over 1x, 4x and 16x demonstrations on the tiny test model, each in a process of its own,
repeated; prints medians and ratios to 1x. Linear time is a ratio of 4 and of 16; memory should not follow.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from irltui.runs.events import Kind
from support.runs import config, demonstrations, events, prepare
from support.tiny import folder

BASE, FACTORS, REPEATS = 600, (1, 4, 16), 3


def measure(root: Path, model: Path, factor: int, repeat: int) -> tuple[float, float]:
    """Seconds of sampling, reference and update of one outer iteration, and peak resident bytes."""
    data = demonstrations(root / f"{factor}.jsonl", BASE * factor)
    change = {
        "loop": {"outer_iterations": 1, "batch": 16, "micro_batch": 16},
        "data": {"max_held_out": 16},
        "evaluation": {"samples": 0, "before_training": False},
        "sampler": {"kind": "slots", "slots": 64},
    }
    run = prepare(root / f"run-{factor}-{repeat}", config(model, data, change))
    subprocess.run(
        [sys.executable, "-m", "irltui.engine", str(run.path)], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    phases = events(run, Kind.PHASE)
    began = next(e.time for e in phases if e.phase == "sample")
    ended = next(e.time for e in phases if e.phase == "evaluate" and e.time > began)
    peak = next(e.values["memory/peak_bytes"] for e in events(run, Kind.METRICS)
                if "memory/peak_bytes" in e.values)  # fmt: skip
    return ended - began, peak


def main() -> None:
    """Measure in turn and print."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        model = folder(root / "model")
        found: dict[int, list[tuple[float, float]]] = {factor: [] for factor in FACTORS}
        for repeat in range(REPEATS):
            for factor in FACTORS:
                found[factor].append(measure(root, model, factor, repeat))
    seconds, peaks = ({f: statistics.median(row[i] for row in rows) for f, rows in found.items()} for i in (0, 1))
    print(f"{platform.processor() or platform.machine()}, torch {torch.__version__}, one thread, median of {REPEATS}")
    print("| demonstrations | seconds | ratio | peak MB | ratio |\n|---|---|---|---|---|")
    for factor in FACTORS:
        print(f"| {BASE * factor} | {seconds[factor]:.2f} | {seconds[factor] / seconds[1]:.2f} "
              f"| {peaks[factor] / 1e6:.0f} | {peaks[factor] / peaks[1]:.2f} |")  # fmt: skip


if __name__ == "__main__":
    main()
