"""One engine per run folder, one process per plan: locks that the operating system releases when their holder ends.

Where the file system has no locks (Lustre without -o flock, NFS without lockd), a lease takes its place: a small file
with host, process and a count that its holder raises. No clocks are compared: a lease of another host is stale when its
count stands still.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from irltui.errors import BusyError, RunFolderError
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder, open_own

_TRIES, _BETWEEN = 5, 0.05  # seconds
BEAT = 10.0  # seconds between two raises of a lease's count
_SILENT_BEATS = 3  # after so many without a raise, a lease of another host is stale
HEARTBEAT = 30.0  # seconds between touches of a plan's lock
LATE = 120.0  # seconds of silence after which a plan's holder or an engine on another host has ended
_HOLDER = re.compile(r"pid \d+ on (?P<host>\S+) since (?P<since>[\d.]+)")
_NO_LOCKS = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP})
NO_LOCKS_NOTICE = (
    "This file system has no file locks. A lease file (engine.lease) keeps a second engine away instead; "
    f"an engine on another host that takes over waits {BEAT * _SILENT_BEATS:.0f} s first."
)


def try_lock(descriptor: int, *, shared: bool = False) -> bool | None:
    """Take the lock of an open file without waiting.

    Returns:
        Whether it was taken; None if the file system has no locks.
    """
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return None
        raise
    return True


@dataclass(frozen=True)
class Lease:
    """The holder of a folder without locks; `beats` grows while it lives."""

    host: str
    pid: int
    started: float
    token: str
    beats: int = 0

    @property
    def is_here(self) -> bool:
        return self.host == os.uname().nodename

    def lives_here(self) -> bool:
        import psutil  # which a dashboard's start need not wait for

        try:
            return abs(psutil.Process(self.pid).create_time() - self.started) < 1
        except psutil.Error:
            return False


@contextmanager
def hold(run: RunFolder) -> Generator[str]:
    """Hold the run for this process; yields a notice for its user, or ""."""
    with _locked(run.lock, partial(_held, run), "Check permissions and owner: the engine writes there.") as has_locks:
        if has_locks:
            yield ""
        else:
            with _leased(run):
                yield NO_LOCKS_NOTICE


@contextmanager
def hold_plan(file: Path) -> Generator[None]:
    """Hold the lock of a plan for this process; runs whose turn has not come are waiting meanwhile."""

    def busy(holder: str) -> BusyError:
        hint = "List them with `irltui runs FOLDER`, or choose another --out."
        return BusyError(f"{file.parent}: another process is working on these runs ({holder})", hint)

    with _locked(file, busy, "Choose another --out."):
        yield


def is_held(run: RunFolder) -> bool:
    """Whether an engine of this host holds the run."""
    if (locked := _is_locked(run.lock)) is not None:
        return locked
    lease = _read_lease(run)
    return lease is not None and lease.is_here and lease.lives_here()


def is_worked_on(plan_lock: Path, since: float) -> bool:
    """Whether a process that started after `since` (Unix seconds) is working on the plan."""
    try:
        found = _HOLDER.fullmatch(plan_lock.read_text(encoding="utf-8", errors="replace").strip())
        if found is None or float(found["since"]) < since:
            return False
        if found["host"] != os.uname().nodename:
            return time.time() - plan_lock.stat().st_mtime < LATE
    except (OSError, ValueError):
        return False
    return _is_locked(plan_lock) is True


def refuse_if_held(run: RunFolder) -> None:
    """Refuse a run on which an engine of this host is working, with a BusyError."""
    if is_held(run):
        raise _held(run, run.lock.read_text(encoding="utf-8", errors="replace").partition(" since ")[0])


def _held(run: RunFolder, holder: str) -> BusyError:
    return BusyError(
        f"{run.path}: an engine is working on this run ({holder})",
        "Watch it with `irltui watch RUN`, stop it with `irltui ctl RUN stop`, or choose another --out.",
    )


@contextmanager
def _locked(path: Path, busy: Callable[[str], BusyError], hint: str) -> Generator[bool]:
    """Lock a file that names its holder; yields False where the file system has no locks."""
    try:
        file = os.fdopen(open_own(path, os.O_RDWR | os.O_CREAT), "r+", encoding="utf-8")
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be opened for writing: {error}", hint) from error
    with file:
        taken = _acquired(file.fileno())
        if taken is False:
            raise busy(file.read().partition(" since ")[0])
        file.truncate()
        file.write(f"pid {os.getpid()} on {os.uname().nodename} since {time.time():.3f}\n")
        file.flush()
        yield taken is True


def _is_locked(path: Path) -> bool | None:
    """Whether a process of this host holds a lock; None if the file system has no locks."""
    try:
        with path.open("rb") as file:
            taken = try_lock(file.fileno(), shared=True)
    except OSError:
        return False
    return None if taken is None else not taken


def _acquired(descriptor: int) -> bool | None:
    """Viewers take the lock for an instant to test it, so a first failure proves nothing."""
    for _ in range(_TRIES):
        if (taken := try_lock(descriptor)) is not False:
            return taken
        time.sleep(_BETWEEN)
    return False


# -- leases ----------------------------------------------------------------------------------


@contextmanager
def _leased(run: RunFolder) -> Generator[None]:
    import psutil

    before = _read_lease(run)
    if before is not None and _is_alive(run, before):
        raise _held(run, f"pid {before.pid} on {before.host}")
    mine = Lease(os.uname().nodename, os.getpid(), psutil.Process().create_time(), secrets.token_hex(8))
    _write_lease(run, mine)
    time.sleep(_TRIES * _BETWEEN)
    now = _read_lease(run)
    if now is not None and now.token != mine.token:  # two came at once: the last to write stays
        raise _held(run, f"pid {now.pid} on {now.host}")
    ended = threading.Event()
    threading.Thread(target=_beat, args=(run, mine, ended), daemon=True).start()
    try:
        yield
    finally:
        ended.set()
        _lease_file(run).unlink(missing_ok=True)


def _beat(run: RunFolder, lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(BEAT):
        lease = replace(lease, beats=lease.beats + 1)
        with suppress(OSError):
            _write_lease(run, lease)


def _is_alive(run: RunFolder, lease: Lease) -> bool:
    if lease.is_here:
        return lease.lives_here()
    until = time.monotonic() + BEAT * _SILENT_BEATS
    while time.monotonic() < until:
        time.sleep(BEAT / 10)
        if (now := _read_lease(run)) is None:
            return False
        if now != lease:
            return True
    return False


def _lease_file(run: RunFolder) -> Path:
    return run.path / "engine.lease"


def _write_lease(run: RunFolder, lease: Lease) -> None:
    replace_json(_lease_file(run), asdict(lease))


def _read_lease(run: RunFolder) -> Lease | None:
    try:
        return Lease(**json.loads(_lease_file(run).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
