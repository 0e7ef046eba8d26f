"""Saves checkpoints: copies the state, and writes the copy in a thread while training goes on.

At most one checkpoint is being written. Until it is whole, the one before is in force.
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Collection, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace

from safetensors import SafetensorError

from irltui.api import Reward
from irltui.distributed import ranks
from irltui.engine import checkpoint
from irltui.engine.host_memory import available
from irltui.engine.journal import Journal
from irltui.engine.trained import Trained, reward_tensors
from irltui.errors import CheckpointError, RunFolderError
from irltui.runs.deadline import Deadline
from irltui.runs.durable import room
from irltui.runs.events import Checkpoint
from irltui.runs.folder import RunFolder
from irltui.runs.seal import Entries

_SPARE = 1.25  # of the size of a copy: what must be free on the host for one


@dataclass(frozen=True)
class _Share:
    """What one rank has written."""

    parts: Entries
    """Of the seal; empty if there are no parts of others to wait for."""
    size: int = 0
    """Of the whole checkpoint, if it is finished."""
    error: CheckpointError | None = None


class _Writing:
    """One rank's share of a checkpoint that is being written.

    Args:
        about: the event that will tell of it.
        write: writes the share.
        finish: makes all shares a checkpoint and returns its bytes; called on the first rank if shares have parts.
    """

    def __init__(self, about: Checkpoint, write: Callable[[], _Share], finish: Callable[[Entries], int]) -> None:
        self.about, self.finish = about, finish
        self._write, self._written = write, _Share({})
        self._thread = threading.Thread(target=self._run, name="checkpoint", daemon=True)
        self.ended = 0.0

    def start(self, *, background: bool) -> None:
        if background:
            self._thread.start()
        else:
            self._run()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def share(self) -> _Share:
        """What has been written; waits for it."""
        if self._thread.ident is not None:
            self._thread.join()
        return self._written

    def _run(self) -> None:
        self._written = self._write()
        self.ended = time.monotonic()


class Saver:
    """The checkpoints of a run that works. All methods but `close` are collective.

    Args:
        run: to save into.
        journal: has the position, and reports each checkpoint once it is whole.
        deadline: for which checkpoints are timed.
        keep: how many of the newest stay.
        background: write while training goes on, where there is memory for a copy.
    """

    def __init__(self, run: RunFolder, journal: Journal, deadline: Deadline, *, keep: int, background: bool) -> None:
        self._run, self._journal, self._deadline = run, journal, deadline
        self._keep, self._background = keep, background
        self._now: _Writing | None = None
        self._failed: CheckpointError | None = None
        self._began = self._held = 0.0  # of what is being written: when, and for how long training has waited

    def save(self, trained: Trained, reason: str, needed: Collection[str], *, wait: bool) -> None:
        """Copy the state, and begin to write it once the checkpoint before is whole.

        Args:
            trained: the state.
            reason: why it is saved.
            needed: checkpoints that stay beside the newest.
            wait: return when it is whole; if the one before has failed, this one is written all the same.

        Raises:
            CheckpointError: the disk refuses, or refused the one before; or the ranks' weights differ.
        """
        self._settle_before(forgive=wait)
        self._began = time.monotonic()
        background = not wait and self._background and _has_room(trained)
        self._now = self._writing(trained, reason, needed, copy=background)
        self._now.start(background=background)
        self._deadline.writing = background
        self._held = time.monotonic() - self._began
        if not background:
            self.settle()

    def look(self) -> None:
        """Finish what is being written, if all ranks have written their shares.

        Raises:
            CheckpointError: it has failed, now or before.
        """
        if self._failed is not None or (self._now is not None and all(ranks.gather([self._now.is_done]))):
            self.settle()

    def settle(self) -> None:
        """Wait until nothing is being written.

        Raises:
            CheckpointError: what was being written has failed, now or before.
        """
        if self._failed is not None:
            raise self._failed  # again: code of a plugin may have swallowed it
        if self._now is None:
            return
        began = time.monotonic()
        shares = ranks.gather([self._now.share()])
        now, self._now = self._now, None
        self._deadline.writing = False
        self._failed = next((share.error for share in shares if share.error is not None), None)
        if self._failed is not None:
            self._delete(now.about.name)
            raise self._failed
        parts = {file: about for share in shares for file, about in share.parts.items()}
        size = ranks.from_first(lambda: now.finish(parts)) if parts else shares[0].size
        ended = time.monotonic() if parts else now.ended
        self._held += time.monotonic() - began
        self._tell(now, size, ended)

    def close(self) -> CheckpointError | None:
        """Wait for this rank's share alone, since the run ends by an error; what was wrong with the share, if any."""
        now, self._now = self._now, None
        if now is None:
            return None
        share = now.share()
        if share.error is not None:
            self._delete(now.about.name)
        elif share.size:
            with suppress(RunFolderError):
                self._tell(now, share.size, now.ended)
        return share.error

    def _settle_before(self, *, forgive: bool) -> None:
        try:
            self.settle()
        except CheckpointError as error:
            if not forgive:
                raise
            self._failed = None
            with suppress(RunFolderError):  # a full disk takes no events either
                self._journal.alert("checkpoint", error.message)

    def _writing(self, trained: Trained, reason: str, needed: Collection[str], *, copy: bool) -> _Writing:
        """What is to be written, taken from the state as it is now."""
        run, position, size, is_alone = self._run, self._journal.position, trained.size, not trained.is_sharded
        contents = checkpoint.contents(trained, position, copy=copy)

        def begin() -> None:
            with _refusing(run, contents.name, size):
                checkpoint.begin(run, contents.name, trained.reward)

        def finish(parts: Entries) -> int:
            with _refusing(run, contents.name, size):
                bytes_ = checkpoint.finish(run, contents.name, parts)
            checkpoint.prune(run, self._keep, needed)
            return bytes_

        def write() -> _Share:
            try:
                with _refusing(run, contents.name, size):
                    parts = contents.write(checkpoint.beside(run, contents.name))
                return _Share(parts, finish({}) if is_alone and ranks.is_first() else 0)
            except CheckpointError as error:
                return _Share({}, error=error)
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it
                return _Share({}, error=_cannot(run, contents.name, repr(error)))

        try:
            with _for_its_own_file(trained.reward):
                ranks.from_first(begin)
        except CheckpointError:
            self._delete(contents.name)
            raise
        return _Writing(Checkpoint(position.step, position.t, contents.name, reason=reason), write, finish)

    def _delete(self, name: str) -> None:
        """What there is of a checkpoint that will not be whole."""
        if ranks.is_first():
            shutil.rmtree(checkpoint.beside(self._run, name), ignore_errors=True)

    def _tell(self, now: _Writing, size: int, ended: float) -> None:
        seconds = ended - self._began
        self._deadline.saved(seconds, min(self._held, seconds))
        self._journal.event(replace(now.about, seconds=seconds, bytes=size, held=min(self._held, seconds)))


def _has_room(trained: Trained) -> bool:
    """Whether all hosts have room for the copies that their ranks would make. Collective."""
    if trained.is_sharded:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", ranks.count()))
        copies = here * sum(
            ranks.local(t).numel() * t.element_size() for some in trained.tensors().values() for t in some.values()
        )
    else:
        copies = trained.size if ranks.is_first() else 0
    return all(ranks.gather([available() > _SPARE * copies]))


def _for_its_own_file(reward: Reward | None) -> AbstractContextManager[None]:
    """Around letting a reward save itself."""
    return reward.gathered() if reward is not None and reward_tensors(reward) is None else nullcontext()


@contextmanager
def _refusing(run: RunFolder, name: str, size: int) -> Generator[None]:
    """Turn what keeps a checkpoint from being written into one error."""
    try:
        yield
    except (OSError, SafetensorError) as error:  # safetensors says so in its own way when the disk is full
        raise _cannot(run, name, f"{error}; {room(run.checkpoints, size)}") from error


def _cannot(run: RunFolder, name: str, why: str) -> CheckpointError:
    return CheckpointError(
        f"{run.checkpoints / name}: cannot be written: {why}",
        "Make room; the last good checkpoint is kept, continue with --resume.",
    )
