"""Check a run folder for damage and find its resume point. Reads everything, changes nothing, loads no tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

from irltui.errors import CheckpointError, RunFolderError
from irltui.runs.checked_rows import checked_row, line_key, packed, read_packed
from irltui.runs.checkpoints import newest_first, newest_usable, position_of, unusable
from irltui.runs.events import Damaged, Event, Metrics, RunStart, Unknown
from irltui.runs.folder import RunFolder
from irltui.runs.inputs import read_inputs
from irltui.runs.manifest import has_changed, read_manifest
from irltui.runs.reader import each_event
from irltui.runs.seal import SEAL, damage_of, sealed_files
from irltui.runs.series import Rows
from irltui.runs.status import read_status


@dataclass(frozen=True)
class Finding:
    subject: str
    text: str
    is_problem: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """All findings, and what can be done with the run.

    `resumes_from` is the checkpoint that --resume would take, "" for the beginning, None if it would refuse.
    """

    findings: tuple[Finding, ...]
    state: str
    resumes_from: str | None

    @property
    def problems(self) -> int:
        return sum(finding.is_problem for finding in self.findings)


def diagnose(run: RunFolder) -> Diagnosis:
    begun = [*_manifest(run), *_inputs(run)]
    findings = [*begun, *_log(run), *_checkpoints(run), *_samples(run), *_result(run)]
    resumes = None if any(finding.is_problem for finding in begun) else _resume_point(run)
    return Diagnosis(tuple(findings), str(read_status(run).state), resumes)


def _resume_point(run: RunFolder) -> str | None:
    """The checkpoint that --resume would take, "" for the beginning, None if it would refuse."""
    try:
        return newest_usable(run)[0] or ""
    except CheckpointError:
        return None


def _manifest(run: RunFolder) -> Iterator[Finding]:
    try:
        changed = has_changed(read_manifest(run))
    except RunFolderError as error:
        yield Finding(run.manifest.name, error.message, is_problem=True)
        return
    text = "has changed since the run began: --resume refuses" if changed else "unchanged"
    yield Finding(run.manifest.name, text, is_problem=changed)


def _inputs(run: RunFolder) -> Iterator[Finding]:
    try:
        known = read_inputs(run)
    except RunFolderError as error:
        yield Finding(run.inputs.name, f"{error.message}: --resume refuses", is_problem=True)
    else:
        if known:
            yield Finding(run.inputs.name, "unchanged")


@dataclass
class _Log:
    """What a log of any length adds up to."""

    count: int = 0
    last: int = -1
    damaged: int = 0
    newer: int = 0
    gaps: list[int] = field(default_factory=list)
    steps: Rows = field(default_factory=Rows)

    def take(self, event: Event) -> None:
        if isinstance(event, Damaged):
            self.damaged += 1
            return
        if self.count and event.seq != self.last + 1:
            self.gaps.append(event.seq)
        self.count, self.last = self.count + 1, event.seq
        self.newer += isinstance(event, Unknown) + event.passed_over
        if isinstance(event, RunStart) and event.resumed_seq is not None:
            self.steps.truncate(event.resumed_seq)
        elif isinstance(event, Metrics):
            self.steps.seq.append(event.seq)
            self.steps.step.append(event.step)

    def jump(self) -> str:
        """The first optimizer steps that do not follow on each other, void events left out."""
        jumps = ((before, after) for before, after in pairwise(self.steps.step) if after - before not in (0, 1))
        return next((f"{before:.0f} to {after:.0f}" for before, after in jumps), "")


def _log(run: RunFolder) -> Iterator[Finding]:
    subject, log = run.events.name, _Log()
    if not run.events.exists() and (run.lock.exists() or run.status.exists()):
        yield Finding(subject, "is missing, although an engine has worked here", is_problem=True)
        return
    for event in each_event(run.events):
        log.take(event)
    if log.damaged:
        yield Finding(subject, f"{log.damaged} damaged lines", is_problem=True)
    if log.gaps:
        others = f" and {len(log.gaps) - 1} others" if log.gaps[1:] else ""
        yield Finding(subject, f"events are missing before {log.gaps[0]}{others}", is_problem=True)
    if jump := log.jump():
        yield Finding(subject, f"optimizer steps jump from {jump}", is_problem=True)
    if lost := _lost_tail(run, log.last):
        yield Finding(subject, lost, is_problem=True)
    if not (log.damaged or log.gaps or jump or lost):
        yield Finding(subject, f"{log.count} events, no step is missing")
    if log.newer:
        yield Finding(subject, f"{log.newer} kinds or fields of a newer irltui are ignored")


def _lost_tail(run: RunFolder, last: int) -> str:
    """A message if the log ends before the checkpoint that --resume would take, else ""."""
    if not (name := _resume_point(run)):
        return ""
    seq = position_of(run.checkpoints / name).get("seq", 0)
    if not isinstance(seq, int) or seq <= last + 1:
        return ""
    return f"ends at event {last}, but checkpoint {name} was saved at event {seq}: the events between are lost"


def _checkpoints(run: RunFolder) -> Iterator[Finding]:
    for name in newest_first(run) if run.checkpoints.is_dir() else ():
        if reason := unusable(run, name):
            yield Finding(f"checkpoints/{name}", reason, is_problem=True)
        else:
            step = position_of(run.checkpoints / name).get("step", "?")
            yield Finding(f"checkpoints/{name}", f"complete, step {step}")


def _samples(run: RunFolder) -> Iterator[Finding]:
    for path in sorted([*run.samples.glob("*.jsonl"), *run.samples.glob("*.jsonl.gz")]):
        subject, good = f"samples/{path.name}", 0
        try:
            for line in _lines(path):
                checked_row(line, line_key(path))
                good += 1
        except (OSError, ValueError) as error:
            yield Finding(subject, f"line {good + 1}: {error}", is_problem=True)
        else:
            yield Finding(subject, f"{good} lines, unchanged")


def _lines(path: Path) -> Iterator[bytes]:
    if path.suffix == ".gz":
        yield from read_packed(path)
        return
    try:
        with path.open("rb") as file:
            yield from file
    except FileNotFoundError:  # an engine that works has compressed it meanwhile
        yield from read_packed(packed(path))


def _result(run: RunFolder) -> Iterator[Finding]:
    for folder in filter(Path.is_dir, (run.model, run.adapter, run.reward)):
        damaged = damage_of(folder)
        for name, reason in damaged.items():
            yield Finding(f"{folder.name}/{name}", reason, is_problem=True)
        if damaged:
            continue
        listed = sealed_files(folder)
        size = sum(size for size, _ in listed.values())
        yield Finding(folder.name, f"{len(listed)} files, {size} bytes, as they were written")
        present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {SEAL}
        if others := sorted(present - listed.keys()):
            more = f" and {len(others) - 1} more" if others[1:] else ""
            yield Finding(f"{folder.name}/{others[0]}{more}", "does not belong to the result; export leaves it out")
