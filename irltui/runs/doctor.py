"""Check a run folder for damage and find its resume point. Reads everything, changes nothing, loads no tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from irltui.errors import CheckpointError, RunFolderError
from irltui.runs.checked_rows import checked_row, packed, read_packed
from irltui.runs.checkpoints import newest_first, newest_usable, position_of, unusable
from irltui.runs.events import Damaged, Event, Metrics, Unknown
from irltui.runs.folder import RunFolder
from irltui.runs.history import that_count
from irltui.runs.inputs import read_inputs
from irltui.runs.manifest import has_changed, read_manifest
from irltui.runs.reader import read_events
from irltui.runs.seal import SEAL, damage_of, sealed_files
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
    lines = read_events(run.events)
    events = [event for event in lines if not isinstance(event, Damaged)]
    begun = [*_manifest(run), *_inputs(run)]
    findings = [*begun, *_log(run, lines, events), *_checkpoints(run), *_samples(run), *_result(run)]
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


def _log(run: RunFolder, lines: list[Event], events: list[Event]) -> Iterator[Finding]:
    subject = run.events.name
    if not run.events.exists() and (run.lock.exists() or run.status.exists()):
        yield Finding(subject, "is missing, although an engine has worked here", is_problem=True)
        return
    malformed = len(lines) - len(events)
    if malformed:
        yield Finding(subject, f"{malformed} damaged lines", is_problem=True)
    gaps = [after.seq for before, after in pairwise(events) if after.seq != before.seq + 1]
    if gaps:
        text = f"events are missing before {gaps[0]}" + (f" and {len(gaps) - 1} others" if gaps[1:] else "")
        yield Finding(subject, f"{text}", is_problem=True)
    if jumps := _jumps(events):
        yield Finding(subject, f"optimizer steps jump from {jumps[0][0]} to {jumps[0][1]}", is_problem=True)
    if lost := _lost_tail(run, events):
        yield Finding(subject, lost, is_problem=True)
    if not (malformed or gaps or jumps or lost):
        yield Finding(subject, f"{len(events)} events, no step is missing")
    if newer := sum(isinstance(event, Unknown) + event.passed_over for event in events):
        yield Finding(subject, f"{newer} kinds or fields of a newer irltui are ignored")


def _jumps(events: list[Event]) -> list[tuple[int, int]]:
    """Pairs of neighbouring optimizer steps that are not consecutive, void events left out."""
    steps = [event.step for event in that_count(events) if isinstance(event, Metrics)]
    return [(before, after) for before, after in pairwise(steps) if after - before not in (0, 1)]


def _lost_tail(run: RunFolder, events: list[Event]) -> str:
    """A message if the log ends before the checkpoint that --resume would take, else ""."""
    if not (name := _resume_point(run)):
        return ""
    seq, last = position_of(run.checkpoints / name).get("seq", 0), events[-1].seq if events else -1
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
                checked_row(line)
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
            yield Finding(f"{folder.name}/{others[0]}{more}", "not of the result: export leaves it out")
