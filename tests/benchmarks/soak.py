"""Does a long run stay as it was? `PYTHONPATH=tests python tests/benchmarks/soak.py 30` (minutes).

One IRFT engine on the tiny test model through as many outer iterations as there is time for. Prints the slopes of
resident memory and open descriptors over the last two thirds, how the time of a step changed (in CPU seconds, all
that lies between steps included, because other programs take the cores), and what the run folder grew by.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from irltui.runs.control import Command, send
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from support.runs import config, demonstrations, events, prepare
from support.tiny import folder

EVERY = 5.0  # seconds between two looks


def soak(root: Path, minutes: float) -> tuple[RunFolder, list[tuple[float, ...]]]:
    """The run, and (Unix seconds, resident bytes, descriptors, CPU seconds) as it went."""
    inputs = folder(root / "model"), demonstrations(root / "demos.jsonl", 64)
    change = {"loop": {"passes": 100_000, "outer_iterations": 2, "batch": 8}, "checkpoint": {"every_steps": 50}}
    run = prepare(root / "run", config(*inputs, change))
    engine = subprocess.Popen(
        [sys.executable, "-m", "irltui.engine", str(run.path)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    process, began, seen = psutil.Process(engine.pid), time.monotonic(), []
    while engine.poll() is None and time.monotonic() - began < 60 * minutes:
        memory, descriptors = float(process.memory_info().rss), float(process.num_fds())
        seen.append((time.time(), memory, descriptors, sum(process.cpu_times()[:2])))
        time.sleep(EVERY)
    send(run, Command.STOP)
    engine.wait(60)
    return run, seen


def slope(x: np.ndarray, y: np.ndarray) -> float:
    """Of the last two thirds, by least squares."""
    late = x >= x.max() / 3
    return float(np.polyfit(x[late], y[late], 1)[0])


def main(minutes: float) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as scratch:
        run, seen = soak(Path(scratch), minutes)
        at, memory, descriptors, cpu = (np.array(column) for column in zip(*seen, strict=True))
        seconds = at - at[0]
        steps = [e for e in events(run, Kind.METRICS) if "train/loss" in e.fields["values"]]
        times = np.array([e.time for e in steps])
        done = np.searchsorted(times, at)
        first, last = (np.ptp(cpu[third]) / np.ptp(done[third]) for third in np.array_split(np.arange(len(at)), 3)[::2])
        size = sum(
            file.stat().st_size for file in run.path.rglob("*") if file.is_file() and "checkpoints" not in str(file)
        )
        hours = seconds.max() / 3600
        print(f"{len(steps)} steps, {steps[-1].fields['outer_iteration']} outer iterations in {60 * hours:.0f} minutes")
        print(f"| resident memory | {memory[-1] / 1e6:.0f} MB, {slope(seconds, memory) * 3600 / 1e6:+.2f} MB an hour |")
        print(f"| open descriptors | {descriptors[-1]:.0f}, {slope(seconds, descriptors) * 3600:+.2f} an hour |")
        each = 1e3 * np.ptp(cpu) / np.ptp(done)
        print(f"| CPU time of a step | {each:.1f} ms, {last / first - 1:+.1%} from first to last third |")
        print(f"| run folder but for checkpoints | {size / 1e6:.1f} MB, {size / len(steps):.0f} bytes a step |")
        print(f"| checkpoints kept | {sum(1 for p in run.checkpoints.iterdir() if p.is_dir())} |")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30)
