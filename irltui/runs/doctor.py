"""Is a run folder whole, and from where can it go on? Reads everything, changes nothing, loads no tensor."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from irltui.errors import RunFolderError
from irltui.runs.checkpoints import damage, newest_first
from irltui.runs.events import Event, Kind
from irltui.runs.folder import RunFolder
from irltui.runs.lines import checked_row
from irltui.runs.manifest import has_changed, read_manifest
from irltui.runs.packed import packed, read_packed
from irltui.runs.reader import EventReader
from irltui.runs.status import read_status


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and whether something is wrong with it."""

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
        """How many findings are problems."""
        return sum(finding.is_problem for finding in self.findings)


def diagnose(run: RunFolder) -> Diagnosis:
    """Look at every file of a run."""
    events, malformed = _events(run)
    checkpoints, usable = _checkpoints(run, events)
    findings = [*_manifest(run), *_log(events, malformed), *checkpoints, *_samples(run), *_result(run)]
    broken = any(finding.is_problem and finding.subject == run.manifest.name for finding in findings)
    has_any = any(finding.subject.startswith("checkpoints/") for finding in checkpoints)
    resumes = None if broken or (has_any and not usable) else usable
    return Diagnosis(tuple(findings), str(read_status(run).state), resumes)


def _manifest(run: RunFolder) -> Iterator[Finding]:
    try:
        changed = has_changed(read_manifest(run))
    except RunFolderError as error:
        yield Finding(run.manifest.name, error.message, is_problem=True)
        return
    text = "has changed since the run began: --resume refuses" if changed else "as it was written"
    yield Finding(run.manifest.name, text, is_problem=changed)


def _events(run: RunFolder) -> tuple[list[Event], int]:
    reader = EventReader(run.events)
    events: list[Event] = []
    while batch := reader.poll():
        events += batch
    return events, reader.malformed


def _log(events: list[Event], malformed: int) -> Iterator[Finding]:
    subject = "events.jsonl"
    if malformed:
        yield Finding(subject, f"{malformed} lines are no events", is_problem=True)
    gaps = [after.seq for before, after in pairwise(events) if after.seq != before.seq + 1]
    if gaps:
        text = f"the count breaks before event {gaps[0]}" + (f" and {len(gaps) - 1} others" if gaps[1:] else "")
        yield Finding(subject, f"{text}: lines are missing", is_problem=True)
    if jumps := _jumps(events):
        yield Finding(subject, f"optimizer steps jump from {jumps[0][0]} to {jumps[0][1]}", is_problem=True)
    if not (malformed or gaps or jumps):
        yield Finding(subject, f"{len(events)} events, steps without a break")


def _jumps(events: list[Event]) -> list[tuple[int, int]]:
    """Neighbouring optimizer steps that are not neighbours, void events left out."""
    steps: list[tuple[int, int]] = []  # seq, step
    for event in events:
        if event.kind == Kind.RUN_START and isinstance(event.fields.get("resumed_seq"), int):
            steps = [(seq, step) for seq, step in steps if seq < event.fields["resumed_seq"]]
        elif event.kind == Kind.METRICS and isinstance(event.fields.get("step"), int):
            steps.append((event.seq, event.fields["step"]))
    pairs = ((before[1], after[1]) for before, after in pairwise(steps))
    return [(before, after) for before, after in pairs if after - before not in (0, 1)]


def _checkpoints(run: RunFolder, events: list[Event]) -> tuple[list[Finding], str]:
    """Findings, newest first, and the newest that is whole ("" if there is none)."""
    findings: list[Finding] = []
    usable = ""
    last_seq = events[-1].seq if events else -1
    for name in newest_first(run) if run.checkpoints.is_dir() else ():
        subject, reason = f"checkpoints/{name}", damage(run.checkpoints / name)
        if not reason:
            position = _json(run.checkpoints / name / "state.json").get("position", {})
            if int(position.get("seq", 0)) > last_seq + 1:
                reason = f"belongs to event {position['seq']}, but events.jsonl ends at {last_seq}"
            else:
                usable = usable or name
                findings.append(Finding(subject, f"whole, step {position.get('step', '?')}"))
        if reason:
            findings.append(Finding(subject, reason, is_problem=True))
    return findings, usable


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
            yield Finding(subject, f"{good} lines, as they were written")


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
    for folder in (run.model, run.adapter, run.reward):
        for path in sorted(folder.glob("*.safetensors")):
            reason = _short(path)
            subject = f"{folder.name}/{path.name}"
            yield Finding(subject, reason or f"{path.stat().st_size} bytes, complete", is_problem=bool(reason))


def _short(path: Path) -> str:
    """Whether a safetensors file holds what its header promises; "" if it does."""
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(length)) if length < path.stat().st_size else {}
        needed = 8 + length + max((t["data_offsets"][1] for k, t in header.items() if k != "__metadata__"), default=0)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"cannot be read: {error!r}"
    size = path.stat().st_size
    return "" if size == needed and header else f"has {size} bytes instead of {needed}"


def _json(path: Path) -> dict[str, Any]:
    value = json.loads(path.read_text(encoding="utf-8"))  # verified by its hash
    return value if isinstance(value, dict) else {}
