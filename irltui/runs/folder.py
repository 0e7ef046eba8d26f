"""The files of a run folder. Knows names, not contents."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from irltui.errors import NoRunError, RunFolderError

PLAN_FILE, PLAN_LOCK = "plan.json", "plan.lock"
"""In the folder of several runs that belong together: which there are, and what is held while they are worked off."""


class _Entry:
    """A file or folder at a fixed place in a run folder."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, run: RunFolder, owner: type[RunFolder]) -> Path:
        return run.path / self._name


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run; see docs/reference/run-folder.md for what each holds."""

    path: Path

    manifest = _Entry("run.json")
    """Written once: resolved configuration, versions, host, data."""
    events = _Entry("events.jsonl")
    """Append-only, the source of truth."""
    status = _Entry("status.json")
    """Tiny, replaced atomically: for listing runs without reading their events."""
    lock = _Entry("engine.lock")
    """Held by the one engine that writes here."""
    console = _Entry("console.log")
    """What the engine printed."""
    ranks = _Entry("ranks")
    """Of each process of a run on several: its console, and a file it holds a lock on while it lives."""
    inputs = _Entry("inputs.json")
    """Digests of the model and of the rows that the run began with."""
    job = _Entry("job.json")
    """The job that `irltui run --submit` made of the run last."""
    control = _Entry("control")
    """Commands for the engine, one file each."""
    samples = _Entry("samples")
    """Generations of each outer iteration with ids and log-probabilities."""
    evaluations = _Entry("evaluations")
    """Each benchmark's values item by item."""
    checkpoints = _Entry("checkpoints")
    """What a run continues from."""
    faults = _Entry("faults")
    """The batch and the weights of each step that failed, for `irltui debug batch`."""
    model = _Entry("model")
    """The result: a transformers folder (for LoRA, merged)."""
    reward = _Entry("reward")
    """The reward that an RFT run learned: a transformers sequence-classification folder."""
    applied = _Entry("applied")
    """What `irltui score`, `sample` and `triage` make of the result."""
    adapter = _Entry("adapter")
    """The result of a LoRA run as a peft folder."""


def new_folder(name: str) -> Path:
    """`runs/NAME-TIME`, created at once so that two runs started in one second do not share it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for suffix in ("", *(f"-{n}" for n in range(2, 1_000))):
        folder = Path("runs") / f"{name}-{stamp}{suffix}"
        try:
            folder.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            continue
        except OSError:
            return folder  # reported by create_run_folder
        return folder
    return Path("runs") / f"{name}-{stamp}"


def create_run_folder(path: Path) -> RunFolder:
    """Make a new run's folders, readable by the owner alone (commands to the engine are put there).

    A run that failed before training (bad data, missing model) is replaced.
    """
    run = RunFolder(path)
    if run.manifest.exists() and _never_began(run):
        for file in (run.manifest, run.events, run.status, run.console, run.inputs):
            file.unlink(missing_ok=True)
    if run.manifest.exists():
        raise RunFolderError(f"{path}: already holds a run", "Continue it with --resume, or choose another --out.")
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(path, os.W_OK):
            raise PermissionError(f"no permission to write in {path}")
        for folder in (run.control, run.samples, run.evaluations, run.checkpoints):
            folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"{path}: cannot make the run folder: {error}", "Choose another --out.") from error
    return run


def _never_began(run: RunFolder) -> bool:
    """Whether an engine ended here before it trained or stored anything."""
    try:
        events = run.events.read_bytes()
        stored = any(True for folder in (run.samples, run.checkpoints) for _ in folder.iterdir())
    except OSError:
        return False
    return b'"kind":"run_end"' in events and b'"kind":"run_start"' not in events and not stored


def open_own(path: Path, flags: int) -> int:
    """Open a file of a run folder; a link at its place is not followed. New files are the owner's alone.

    Returns:
        A descriptor.

    Raises:
        OSError: as `os.open`; ELOOP for a link.
    """
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)


def _strangers(run: RunFolder) -> list[tuple[Path, str]]:
    """What in a run folder is neither a file nor a folder of its own, except in tracking/, which trackers fill.

    A pipe at the place of a file would keep its reader waiting; the engine passes over one in control/.
    """
    found: list[tuple[Path, str]] = []
    files = {run.manifest, run.events, run.status, run.lock, run.console, run.inputs, run.job}
    waiting = [run.path]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            path = Path(entry.path)
            if entry.is_symlink():
                found.append((path, "a symbolic link inside a run folder; irltui does not follow it"))
            elif entry.is_dir(follow_symlinks=False):
                if path in files or path.parent == run.samples:
                    found.append((path, "a folder at the place of a file"))
                waiting += [path] if entry.name != "tracking" else []
            elif not entry.is_file(follow_symlinks=False) and path.parent != run.control:
                found.append((path, "neither a file nor a folder; irltui does not open it"))
    return sorted(found)


def open_run_folder(path: Path) -> RunFolder:
    run = RunFolder(path)
    if not run.manifest.is_file():
        holds_runs = any(is_run(below) for depth in ("*", "*/*") for below in path.glob(depth))
        hint = f"It holds runs: `irltui runs {path}` lists them." if holds_runs else ""
        raise NoRunError(f"{path}: no run here (run.json is missing)", hint)
    if strangers := _strangers(run):
        more = f" and {len(strangers) - 1} more" if strangers[1:] else ""
        path, what = strangers[0]
        raise RunFolderError(
            f"{path}{more}: {what}",
            "Delete it; for a link that you trust, put the file or folder it points to in its place.",
        )
    return run


def is_run(path: Path) -> bool:
    """Whether a folder holds a run that may be read; on a shared disk others may have closed theirs."""
    try:
        return RunFolder(path).manifest.is_file()
    except PermissionError:
        return False
