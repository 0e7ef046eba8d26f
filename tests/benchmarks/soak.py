"""Does a long run stay as it was? `PYTHONPATH=tests python tests/benchmarks/soak.py 30` (minutes).

One IRFT engine on the tiny test model through as many outer iterations as there is time for. Prints the slopes of
memory and open descriptors over the last two thirds, how the time of a step changed (in CPU seconds, all that lies
between steps included, because other programs take the cores; and as a multiple of a fixed piece of work, which they
slow down as well), and what the run folder grew by.

Memory is looked at from inside the engine: what is resident, what malloc has handed out, and how many of its own
small blocks Python has. The standard error of a slope is that of a line through the means of ten equal times,
because neighbouring looks are not independent.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil

from irltui.engine.__main__ import main as engine
from irltui.runs.control import Command, send
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from support.runs import config, demonstrations, events, prepare
from support.tiny import folder

EVERY = 5.0  # seconds between two looks
BLOCKS = 10
SEEN = "seen.txt"  # in the run folder: a line a look
MEMORY = {"resident memory": "MB", "malloc in use": "MB", "Python's small blocks": "thousand"}


class Malloc(ctypes.Structure):
    """glibc's mallinfo2."""

    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


def in_use() -> int:
    """Bytes that glibc's malloc has handed out and not got back."""
    ask = ctypes.CDLL("libc.so.6").mallinfo2
    ask.restype = Malloc
    found = ask()
    return found.uordblks + found.hblkhd


def yardstick() -> float:
    """CPU seconds of a fixed piece of work, as the machine is now."""
    began = time.thread_time()
    sum(i * i for i in range(100_000))
    return time.thread_time() - began


def watched(run: Path) -> int:
    """The engine, with a thread that writes down (Unix seconds, memory, descriptors, CPU seconds) as it goes."""
    process = psutil.Process()

    def look() -> None:
        with (run / SEEN).open("w", buffering=1) as file:
            while True:
                memory = process.memory_info().rss, in_use(), sys.getallocatedblocks()
                cpu = sum(process.cpu_times()[:2])
                print(time.time(), *memory, process.num_fds(), cpu, yardstick(), file=file)
                time.sleep(EVERY)

    threading.Thread(target=look, daemon=True).start()
    return engine([str(run)])


def soak(root: Path, minutes: float) -> RunFolder:
    """The run, stopped after so many minutes."""
    inputs = folder(root / "model"), demonstrations(root / "demos.jsonl", 24)
    change = {
        "loop": {"passes": 100_000, "outer_iterations": 2, "batch": 8},
        "optimizer": {"learning_rate": 1e-6},  # or all would be memorised, and the run end, before the time is up
        "checkpoint": {"every_steps": 50},
    }
    run = prepare(root / "run", config(*inputs, change))
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, __file__, "--engine", run.path], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )
    while process.poll() is None and time.monotonic() - began < 60 * minutes:
        time.sleep(EVERY)
    send(run, Command.STOP)
    process.wait(60)
    return run


def slope(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Of the last two thirds, by least squares, and its standard error."""
    late = x >= x.max() / 3
    means = np.array(
        [(a.mean(), b.mean()) for a, b in zip(*(np.array_split(v[late], BLOCKS) for v in (x, y)), strict=True)]
    )
    line = np.polyfit(*means.T, 1)
    left = means[:, 1] - np.polyval(line, means[:, 0])
    error = np.sqrt((left**2).sum() / (BLOCKS - 2) / ((means[:, 0] - means[:, 0].mean()) ** 2).sum())
    return float(line[0]), float(error)


def size(paths: list[Path]) -> float:
    """Bytes of files and folders."""
    files = [file for path in paths for file in (path.rglob("*") if path.is_dir() else [path])]
    return float(sum(file.stat().st_size for file in files if file.is_file()))


def main(minutes: float) -> None:
    """Run and print."""
    with tempfile.TemporaryDirectory() as scratch:
        run = soak(Path(scratch), minutes)
        at, *memory, descriptors, cpu, unit_of_work = np.loadtxt(run.path / SEEN).T
        hours = (at - at[0]) / 3600
        steps = [e for e in events(run, Kind.METRICS) if "train/loss" in e.values]
        iterations = steps[-1].outer_iteration
        done = np.searchsorted(np.array([e.time for e in steps]), at)
        print(
            f"{len(steps)} steps, {iterations} outer iterations in {60 * hours.max():.0f} minutes\n\n| | |\n|---|---|"
        )
        for (name, unit), values in zip(MEMORY.items(), memory, strict=True):
            scale = 1e6 if unit == "MB" else 1e3
            grown, error = slope(hours, values / scale)
            print(f"| {name} | {values[-1] / scale:.1f} {unit}, {grown:+.3f} ± {error:.3f} an hour |")
        grown, error = slope(hours, descriptors)
        print(f"| open descriptors | {descriptors[-1]:.0f}, {grown:+.2f} ± {error:.2f} an hour |")
        each = 1e3 * np.ptp(cpu) / np.ptp(done)
        thirds = np.array_split(np.arange(len(at)), 3)[::2]
        first, last = (np.ptp(cpu[part]) / np.ptp(done[part]) for part in thirds)
        slowed = np.median(unit_of_work[thirds[1]]) / np.median(unit_of_work[thirds[0]])
        print(
            f"| CPU time of a step | {each:.1f} ms, {last / first - 1:+.1%} from first to last third; "
            f"{last / first / slowed - 1:+.1%} against a fixed piece of work |"
        )
        for name, paths in {"events": [run.events], "generations": [run.samples]}.items():
            print(
                f"| {name} | {size(paths) / 1e6:.1f} MB, {size(paths) / len(steps):.0f} bytes a step, "
                f"{size(paths) / iterations:.0f} an outer iteration |"
            )
        print(f"| checkpoints kept | {sum(1 for p in run.checkpoints.iterdir() if p.is_dir())} |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--engine"]:
        sys.exit(watched(Path(sys.argv[2])))
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 30)
