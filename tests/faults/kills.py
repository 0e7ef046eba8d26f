"""Kill a run at random points, continue it, compare with the run that nothing happened to.

`PYTHONPATH=tests python tests/faults/kills.py 200` kills 200 times and prints where; `... 60 nce dft` those runs alone.
The default tests do a few.
Half of the kills come by the clock; the others at a random one of the calls that make something durable (write,
fsync, rename), in the middle of it where it has a middle. An engine is a fork of this process, so that a kill costs
a second and not the import of torch.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irltui.config.trust import TRUST_ALL
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder
from irltui.runs.reader import read_events
from support import function_reward
from support.compare import assert_same
from support.runs import Change, config, demonstrations, prepare, rft, work
from support.tiny import folder

RUNS: dict[str, Change] = {
    "sft": {"algorithm": "sft"},
    "irft": {},
    "irft, lora": {"adapter": {"kind": "lora", "rank": 2, "dropout": 0.1}, "reference": {"kind": "fixed"}},
    "dft with an anchor": {"algorithm": "dft", "objective": {"anchor": 0.1}},
    "nce": {"algorithm": "nce", "objective": {"generations": 2}},
    "few": {
        "algorithm": "few",
        "objective": {"generations": 2},
        "reference": {"kind": "fixed"},
        "loop": {"passes": 2, "outer_iterations": 1, "inner_steps": 3, "batch": 4},
    },
    "distill": {"algorithm": "distill", "loop": {"outer_iterations": 2, "batch": 4}},
    "rft": rft({"update": {"kind": "rloo", "steps": 3}}),
    "rft, a function": rft({"update": {"steps": 3}, "reward": {"kind": "function", "file": function_reward.__file__}}),
    "rft, similarity": rft({"update": {"steps": 3}, "reward": {"kind": "similarity", "measure": "hidden"}}),
    "rft, boltzmann": rft({"update": {"kind": "boltzmann", "steps": 3}, "reward": {"history": "all"}}),
}
COMMON: Change = {"loop": {"outer_iterations": 2, "batch": 4}, "checkpoint": {"every_steps": 2, "keep": 2}}
DURABLE = ("write", "fsync", "rename", "replace")
ATTEMPTS = 8  # a run that needs more of them makes no progress


@dataclass(frozen=True)
class Whole:
    """The uninterrupted run, its seconds, and how often it made something durable."""

    run: RunFolder
    values: dict[str, Any]
    seconds: float
    calls: int


def whole(root: Path, name: str) -> Whole:
    """Run `name` from beginning to end."""
    inputs = root / "inputs"
    if not inputs.exists():
        inputs.mkdir()
        folder(inputs / "model")
        demonstrations(inputs / "demos.jsonl", 16)
    values = config(inputs / "model", inputs / "demos.jsonl", {**COMMON, **RUNS[name]})
    if name == "distill":
        values["objective"] = {"start": str(folder(inputs / "start", "qwen2"))}
    run = prepare(root / f"{name} whole", values)
    counted = root / f"{name}.calls"
    began = time.monotonic()
    code = wait(engine(run, lambda: count_calls(counted)))
    assert code == 0, read_events(run.events)[-1]
    return Whole(run, values, time.monotonic() - began, int(counted.read_text()))


def engine(run: RunFolder, before: Callable[[], None]) -> int:
    """A fork that works on the run; its pid."""
    sys.stdout.flush()
    if pid := os.fork():
        return pid
    code = 70
    try:
        silence = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silence, 1)
        os.dup2(silence, 2)
        os.environ[TRUST_ALL] = "1"
        before()
        code = work(run)
        finish_counting()
    finally:
        os._exit(code)


def wait(pid: int) -> int:
    """The engine's exit code; -9 if it was killed."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


_counted: list[tuple[Path, list[int]]] = []


def count_calls(file: Path) -> None:
    """Count durable calls, and write the number when the engine ends well."""
    count = [0]
    for name in DURABLE:
        true = getattr(os, name)

        def counted(*arguments: Any, true: Callable[..., Any] = true, **options: Any) -> Any:
            count[0] += 1
            return true(*arguments, **options)

        setattr(os, name, counted)
    _counted.append((file, count))


def finish_counting() -> None:
    """Leave the count for the parent."""
    for file, count in _counted:
        file.write_text(str(count[0]))


def kill_at_call(number: int, *, after: bool) -> None:
    """Die at the `number`-th durable call: in the middle of a write; before or after anything else."""
    count = [0]

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    for name in DURABLE:
        true = getattr(os, name)

        def deadly(*arguments: Any, name: str = name, true: Callable[..., Any] = true, **options: Any) -> Any:
            count[0] += 1
            if count[0] != number:
                return true(*arguments, **options)
            if name == "write":
                true(arguments[0], arguments[1][: len(arguments[1]) // 2])
            elif after:
                true(*arguments, **options)
            return die()

        setattr(os, name, deadly)


def killed_once(run: RunFolder, known: Whole, stream: random.Random) -> bool:
    """Let an engine work on the run until it is killed; False if it got to its end before."""
    if stream.random() < 0.5:
        number, after = stream.randint(1, known.calls), stream.random() < 0.5
        return wait(engine(run, lambda: kill_at_call(number, after=after))) == -signal.SIGKILL
    pid = engine(run, lambda: None)
    timer = threading.Timer(stream.uniform(0, known.seconds), os.kill, (pid, signal.SIGKILL))
    timer.start()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # not reaped: the pid stays its own until the timer is off
    timer.cancel()
    timer.join()
    return wait(pid) == -signal.SIGKILL


def phase_at_death(run: RunFolder) -> str:
    """The last phase that the run told of."""
    if not run.events.exists():
        return "before the first event"
    phases = [str(e.phase) for e in read_events(run.events) if e.kind == Kind.PHASE]
    return phases[-1] if phases else "before the first event"


def trial(root: Path, name: str, known: Whole, seed: int) -> list[str]:
    """Kill a run one to three times, continue it to its end, compare; the phases of the kills.

    Raises:
        AssertionError: it could not be continued, or ends in something else.
    """
    stream = random.Random(f"{seed} {name}")
    path = root / f"{name} {seed}"
    run = prepare(path, known.values)
    phases = [phase_at_death(run) for _ in range(stream.choice([1, 1, 2, 3])) if killed_once(run, known, stream)]
    for _ in range(ATTEMPTS):
        if (code := wait(engine(run, lambda: None))) == 0:
            break
    assert code == 0, f"{name}, seed {seed}: killed in {phases}, then: {read_events(run.events)[-1]}"
    try:
        assert_same(run, known.run)
    except AssertionError as error:
        raise AssertionError(f"{name}, seed {seed}: killed in {phases}: {error}") from error
    shutil.rmtree(path)
    return phases


def main(wanted: int, names: Sequence[str]) -> None:
    """Kill `wanted` times over the named runs in turn, and print a table after every round."""
    found: Counter[tuple[str, str]] = Counter()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        known = {name: whole(root, name) for name in names}
        seed = 0
        while sum(found.values()) < wanted:
            for name in names:
                found.update((name, phase) for phase in trial(root, name, known[name], seed))
            seed += 1
            print(f"\n{sum(found.values())} kills, all continued to the same end\n{table(found)}", flush=True)


def table(found: Counter[tuple[str, str]]) -> str:
    """Kills by run and phase, in Markdown."""
    phases = sorted({phase for _, phase in found})
    lines = ["| run | " + " | ".join(phases) + " | all |", "|---" * (len(phases) + 2) + "|"]
    for name in dict.fromkeys(name for name, _ in found):
        row = [found[name, phase] for phase in phases]
        lines.append(f"| {name} | " + " | ".join(map(str, row)) + f" | {sum(row)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 200, sys.argv[2:] or list(RUNS))
