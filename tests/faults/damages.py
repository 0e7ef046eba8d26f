"""Damage files of a run folder at random, continue the run: it ends the same, or says what is wrong.

`PYTHONPATH=tests python tests/faults/damages.py 1000` does a thousand and prints a table; the default tests do a few.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import stat
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from irltui.engine.safepoint import SafePoint, Stop
from irltui.errors import EXIT_OK, IrltuiError
from irltui.runs.doctor import diagnose
from irltui.runs.events import Kind
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.status import State
from support.compare import weights
from support.runs import Change, config, demonstrations, events, finish, prepare, results, rft, stored, work
from support.tiny import folder

RUNS: dict[str, Change] = {
    "irft": {},
    "sft, lora": {"algorithm": "sft", "adapter": {"kind": "lora", "rank": 2}},
    "rft": rft({"update": {"kind": "boltzmann", "steps": 2}, "reward": {"history": "all"}}),
}
COMMON: Change = {"loop": {"outer_iterations": 2, "batch": 4}, "checkpoint": {"every_steps": 2, "keep": 3}}
LONGEST = 120.0  # seconds that an engine may take
FREE = {"events.jsonl", "status.json", "console.log", "engine.lock"}
"""What nothing is trained from: a change of these alone need not be found."""


@dataclass(frozen=True)
class Material:
    """A run that was stopped in its second outer iteration, and the one that nothing happened to."""

    name: str
    stopped: RunFolder
    expected: RunFolder
    other: RunFolder
    """Of another seed, stopped at the same place: its files look right."""


def material(root: Path, name: str) -> Material:
    inputs = root / "inputs"
    if not inputs.exists():
        inputs.mkdir()
        folder(inputs / "model")
        demonstrations(inputs / "demos.jsonl", 14)
    values = config(inputs / "model", inputs / "demos.jsonl", {**COMMON, **RUNS[name]})
    expected = finish(root / f"{name} whole", values)
    return Material(
        name,
        interrupted(prepare(root / f"{name} stopped", values)),
        expected,
        interrupted(prepare(root / f"{name} other", {**values, "seed": 5})),
    )


def interrupted(run: RunFolder) -> RunFolder:
    """Work on a run until it has learned in its second outer iteration."""
    true = SafePoint.poll

    def poll(self: SafePoint) -> None:
        if list(run.checkpoints.glob("0001-00000[1-9]*")):
            raise Stop(State.STOPPED, "interrupted by the test", EXIT_OK)
        true(self)

    SafePoint.poll = poll  # type: ignore[method-assign]
    try:
        assert work(run) == EXIT_OK, events(run, Kind.RUN_END)
    finally:
        SafePoint.poll = true  # type: ignore[method-assign]
    assert not run.model.exists()
    return run


# -- damages -------------------------------------------------------------------------------------


def truncate(file: Path, stream: random.Random, _: Material) -> list[Path]:
    os.truncate(file, stream.randrange(max(1, file.stat().st_size)))
    return [file]


def flip(file: Path, stream: random.Random, _: Material) -> list[Path]:
    content = bytearray(file.read_bytes())
    if content:
        content[stream.randrange(len(content))] ^= 1 << stream.randrange(8)
    file.write_bytes(content)
    return [file]


def remove(file: Path, stream: random.Random, _: Material) -> list[Path]:
    file.unlink()
    return [file]


def garbage(file: Path, stream: random.Random, _: Material) -> list[Path]:
    """Bytes that were never written, behind or instead of the file's own."""
    with file.open("ab" if stream.random() < 0.5 else "wb") as opened:
        opened.write(stream.choice([b"\0" * 64, b"[" * 5_000, b'{"a": 1}\n', b"\x1b]0;x\x07", stream.randbytes(200)]))
    return [file]


def lines(file: Path, stream: random.Random, _: Material) -> list[Path]:
    """A line that is lost, there twice, or at another place."""
    found = file.read_bytes().splitlines(keepends=True)
    at, to = stream.randrange(max(1, len(found))), stream.randrange(max(1, len(found)))
    match stream.randrange(3) if found else 3:
        case 0:
            del found[at]
        case 1:
            found.insert(to, found[at])
        case 2:
            found[at], found[to] = found[to], found[at]
    file.write_bytes(b"".join(found))
    return [file]


def swap(file: Path, stream: random.Random, _: Material) -> list[Path]:
    """Two files, or two whole checkpoints, under each other's names."""
    run = next(above for above in file.parents if (above / "run.json").exists())
    alike = [each for each in sorted(run.rglob(f"*{file.suffix}")) if each.is_file() and each != file]
    if file.parent.parent.name == "checkpoints" and stream.random() < 0.5:
        file = file.parent
        alike = [each for each in sorted(file.parent.iterdir()) if each.is_dir() and each != file]
    if not alike:
        return remove(file, stream, _)
    other, beside = stream.choice(alike), run.parent / "beside"
    file.rename(beside)
    other.rename(file)
    beside.rename(other)
    return [file, other]


def foreign(file: Path, stream: random.Random, of: Material) -> list[Path]:
    """The same file of another run."""
    run = next(above for above in file.parents if (above / "run.json").exists())
    theirs = of.other.path / file.relative_to(run)
    if not theirs.is_file() or file.parent == run / "samples":  # rows do not say which run they are of
        return remove(file, stream, of)
    shutil.copyfile(theirs, file)
    return [file]


def link(file: Path, stream: random.Random, of: Material) -> list[Path]:
    """The file lies elsewhere, and a link leads to it."""
    outside = Path(tempfile.mkdtemp(dir=of.stopped.path.parent)) / file.name
    file.rename(outside)
    if stream.random() < 0.2:
        outside.unlink()
    file.symlink_to(outside)
    return [file]


def pipe(file: Path, stream: random.Random, _: Material) -> list[Path]:
    file.unlink()
    os.mkfifo(file)
    return [file]


def directory(file: Path, stream: random.Random, _: Material) -> list[Path]:
    file.unlink()
    file.mkdir()
    return [file]


HARMS: dict[str, Callable[[Path, random.Random, Material], list[Path]]] = {
    harm.__name__: harm for harm in (truncate, flip, remove, garbage, lines, swap, foreign, link, pipe, directory)
}


# -- judging -------------------------------------------------------------------------------------


def engine(run: RunFolder, console: Path) -> int | None:
    """The exit code of an engine that continues the run, as a fork; None if it did not come to an end."""
    sys.stdout.flush()
    pid = os.fork()
    if not pid:
        code = 70
        try:
            output = os.open(console, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(output, 1)
            os.dup2(output, 2)
            sys.stderr = os.fdopen(2, "w")  # pytest has put its own there
            code = work(run)
            sys.stderr.flush()
        finally:
            os._exit(code)
    timer = threading.Timer(LONGEST, os.kill, (pid, signal.SIGKILL))
    timer.start()
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    timer.cancel()
    timer.join()
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return None if code == -signal.SIGKILL else code


def trial(root: Path, of: Material, seed: int, harm: str = "") -> tuple[str, str, str]:
    """One damage: the harm, the file, and what came of it ("same", "refused").

    Raises:
        AssertionError: something is wrong, and nobody says so.
    """
    stream = random.Random(f"{seed} {of.name}")
    harm = harm or stream.choice(list(HARMS))
    run = RunFolder(root / "damaged" / "run")
    shutil.rmtree(run.path.parent, ignore_errors=True)
    shutil.copytree(of.stopped.path, run.path)
    victim = stream.choice(sorted(file for file in run.path.rglob("*") if file.is_file()))
    harmed = HARMS[harm](victim, stream, of)
    names = [str(file.relative_to(run.path)) for file in harmed]
    about = f"{of.name}, seed {seed}: {harm} {', '.join(names)}"
    try:
        could: bool | None = diagnose(open_run_folder(run.path)).resumes_from is not None
        found = diagnose(run).problems
    except IrltuiError:
        could, found = False, 1
    console = root / "console"
    code = engine(run, console)
    told = console.read_text(errors="replace") + (str(events(run, Kind.RUN_END)[-1:]) if is_plain(run.events) else "")
    assert code is not None, f"{about}: the engine hangs"
    assert (code == EXIT_OK) == could, f"{about}: doctor says {could}, --resume ends with {code}: {told[-600:]}"
    assert "Traceback" not in told, f"{about}: {told[-1500:]}"
    if code != EXIT_OK:
        assert any(Path(name).name in told or name.split("/")[-2:][0] in told for name in names), (
            f"{about}: {told[-600:]}"
        )
        return harm, names[0], "refused"
    ours, theirs = weights(run), weights(of.expected)
    assert ours.keys() == theirs.keys(), about
    assert all((ours[key] == theirs[key]).all() for key in theirs), f"{about}: other weights"
    if "events.jsonl" not in names and "is missing or damaged" not in told_by(run):
        assert results(run) == results(of.expected), f"{about}: other results"
    if not found and not all(Path(name).name in FREE for name in names):
        for file in sorted(of.expected.samples.glob("0*")):  # others are sampled again where they are needed
            name = file.name.partition(".jsonl")[0]
            same = {map_row(row) for row in stored(run, name)} == {map_row(row) for row in stored(of.expected, name)}
            assert same, f"{about}: {file.name} differs, and doctor found nothing"
    return harm, names[0], "same, and doctor says so" if found else "same"


def map_row(row: dict[str, object]) -> str:
    return json.dumps(row, sort_keys=True)


def told_by(run: RunFolder) -> str:
    """What the log says for people."""
    return str(events(run, Kind.LOG, Kind.ALERT))


def is_plain(path: Path) -> bool:
    return path.exists() and stat.S_ISREG(path.lstat().st_mode)


def main(wanted: int, first: int = 0) -> int:
    """So many damages over all runs in turn; how many went wrong silently."""
    found: Counter[tuple[str, str]] = Counter()
    wrong = 0
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        known = [material(root, name) for name in RUNS]
        for seed in range(first, first + wanted):
            try:
                harm, _, end = trial(root, known[seed % len(known)], seed)
                found[harm, end] += 1
            except AssertionError as error:
                wrong += 1
                print(f"WRONG {error}", flush=True)
            if seed % 25 == 24:
                print(f"{seed + 1 - first} damages, {wrong} silently wrong", flush=True)
    print(table(found))
    print(f"{wanted} damages, {wrong} silently wrong")
    return wrong


def table(found: Counter[tuple[str, str]]) -> str:
    """Damages by kind and outcome, in Markdown."""
    ends = sorted({end for _, end in found})
    rows = ["| damage | " + " | ".join(ends) + " |", "|---" * (len(ends) + 1) + "|"]
    rows += [f"| {harm} | " + " | ".join(str(found[harm, end]) for end in ends) + " |" for harm in HARMS]
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(bool(main(*map(int, sys.argv[1:] or ["1000"]))))
