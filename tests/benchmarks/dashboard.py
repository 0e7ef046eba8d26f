"""What the dashboard costs: `PYTHONPATH=tests python tests/benchmarks/dashboard.py`.

In a pseudo-terminal of 140x45: first paint, a log of 200,000 events until it is interactive, CPU and bytes at two
changes a second with six charts of 100,000 points, and the steps a second of one engine with and without a
dashboard attached to it, in turn.
"""

from __future__ import annotations

import fcntl
import os
import platform
import pty
import random
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from irltui.runs.event_lines import encode
from irltui.runs.events import Metrics, RunEnd
from irltui.runs.folder import RunFolder, create_run_folder
from irltui.runs.manifest import new_manifest, write_manifest
from irltui.runs.status import State
from irltui.runs.writer import RunWriter
from support.runs import config, prepare

COLUMNS, LINES = 140, 45
METRICS = (
    *("train/loss", "reward/demonstration", "reward/generation", "reward/gap", "reward/accuracy", "heldout/loss"),
    *("logratio/demonstration", "logratio/generation", "pairs/both_down", "train/nll", "train/gradient_norm"),
)
PAINTS, SECONDS, ROUNDS = 7, 20, 8
WARM_UP, SETTLED, WINDOW = 50, 6, 15  # steps, seconds, seconds


@dataclass
class Terminal:
    """A dashboard in a terminal nobody sees."""

    process: subprocess.Popen[bytes]
    descriptor: int
    written: int = 0
    text: bytes = field(default=b"", repr=False)

    def read(self, until: Callable[[], bool], seconds: float) -> float:
        """Read what it writes until something holds; the seconds that took."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            if select.select([self.descriptor], [], [], 0.02)[0]:
                got = os.read(self.descriptor, 1 << 16)
                self.written += len(got)
                self.text = (self.text + got)[-20_000:]
            if until():
                break
        return time.monotonic() - began


@contextmanager
def dashboard(run: Path) -> Iterator[Terminal]:
    """`irltui watch` on a run."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    names = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"}
    line = [sys.executable, "-m", "irltui", "watch", str(run)]
    process = subprocess.Popen(line, stdin=theirs, stdout=theirs, stderr=theirs, env=names, start_new_session=True)
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def written_run(path: Path, count: int) -> RunFolder:
    """A run of so many metrics events that its engine may still add to."""
    run = create_run_folder(path)
    write_manifest(run, new_manifest({"algorithm": "irft", "model": {"name": "m"}}, {}))
    stream = random.Random(0)
    with run.events.open("wb") as file:
        for i in range(count):
            file.write(encode(metrics(i, stream)))
    return run


def metrics(i: int, stream: random.Random) -> Metrics:
    """One step."""
    values = {name: stream.random() for name in METRICS}
    place = {"step": i, "outer_iteration": i // 1_000, "inner_step": i % 1_000, "tokens": 100 * i, "elapsed": float(i)}
    return Metrics(values, **place, seq=i, time=1.7e9 + i)


def first_paint(root: Path) -> tuple[float, float]:
    """Seconds from the command to the first chart of a small run, by the clock and of the processor; medians."""
    found = []
    for number in range(PAINTS):
        run = written_run(root / f"small-{number}", 100)
        with dashboard(run.path) as terminal:
            passed = terminal.read(lambda: b"Reward gap" in terminal.text, 30)
            found.append((passed, sum(psutil.Process(terminal.process.pid).cpu_times()[:2])))
    return statistics.median(clock for clock, _ in found), statistics.median(cpu for _, cpu in found)


def load(root: Path) -> float:
    """Seconds from the command until a log of 200,000 steps is read and its end shown."""
    run = written_run(root / "long", 200_000)
    with RunWriter(run) as writer:
        writer.write(RunEnd(state=State.FINISHED, reason="", hint="", exit_code=0))
        writer.status(now=True, state=State.FINISHED)
    with dashboard(run.path) as terminal:
        return terminal.read(lambda: b"199999" in terminal.text, 60)


def cost(root: Path) -> tuple[float, float]:
    """CPU share of a core and bytes a second while a run of 100,000 points a curve grows twice a second."""
    run, count, stream = written_run(root / "growing", 100_000), 100_000, random.Random(1)
    with RunWriter(run) as writer, dashboard(run.path) as terminal:
        writer.status(now=True, state=State.RUNNING, step=count)
        terminal.read(lambda: False, 8)
        process = psutil.Process(terminal.process.pid)
        before, bytes_before = sum(process.cpu_times()[:2]), terminal.written
        began = time.monotonic()
        while time.monotonic() - began < SECONDS:
            event = metrics(count, stream)
            writer.write(event)
            count += 1
            terminal.read(lambda: False, 0.5)
        passed = time.monotonic() - began
        return (sum(process.cpu_times()[:2]) - before) / passed, (terminal.written - bytes_before) / passed


def throughput(root: Path) -> list[tuple[float, float]]:
    """Steps a second of one engine training the embedded default, without and with a dashboard, in turn."""
    change = {
        "algorithm": "sft",
        "data": {"max_response_tokens": 32, "held_out": 0.1},
        "loop": {"batch": 32, "passes": 1_000},
    }
    run = prepare(root / "training", config(Path("quickstart"), Path("quickstart"), change))
    environment = {**os.environ, "OMP_NUM_THREADS": str(os.cpu_count() or 1)}
    engine = subprocess.Popen([sys.executable, "-m", "irltui.engine", str(run.path)], env=environment)
    try:
        while _steps(run) < WARM_UP:
            time.sleep(0.5)
        return [(_alone(run), _watched(run)) for _ in range(ROUNDS)]
    finally:
        engine.terminate()
        engine.wait()


def _alone(run: RunFolder) -> float:
    return _pace(run, lambda: time.sleep(WINDOW))


def _watched(run: RunFolder) -> float:
    with dashboard(run.path) as terminal:
        terminal.read(lambda: False, SETTLED)
        return _pace(run, lambda: terminal.read(lambda: False, WINDOW))


def _pace(run: RunFolder, wait: Callable[[], object]) -> float:
    first, began = _steps(run), time.monotonic()
    wait()
    return (_steps(run) - first) / (time.monotonic() - began)


def _steps(run: RunFolder) -> int:
    return run.events.read_bytes().count(b'"train/loss"') if run.events.exists() else 0


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        clock, cpu = first_paint(root)
        share, written = cost(root)
        lines = {
            "first paint, s": f"{clock:.2f}",
            "first paint, CPU s": f"{cpu:.2f}",
            "200,000 events until interactive, s": f"{load(root):.2f}",
            "CPU, share of a core at 2 Hz": f"{share:.2f}",
            "written, kB/s at 2 Hz": f"{written / 1e3:.1f}",
        }
        paces = throughput(root)
        lines["steps a second alone"] = ", ".join(f"{alone:.1f}" for alone, _ in paces)
        lines["steps a second watched"] = ", ".join(f"{watched:.1f}" for _, watched in paces)
        lost = statistics.median(1 - watched / alone for alone, watched in paces)
        lines["training slower when watched, median"] = f"{100 * lost:.1f} %"
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {COLUMNS}x{LINES}")
    for name, value in lines.items():
        print(f"| {name} | {value} |")


if __name__ == "__main__":
    main()
