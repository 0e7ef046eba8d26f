"""Goes on to the run of a study that works, and at the end to the verdict, unless somebody looks elsewhere."""

from __future__ import annotations

from pathlib import Path

from irltui.dashboard.store import Store
from irltui.runs.status import WORKING, State


class StudyFollower:
    """Follows the study in `folder`, None for none; `run` is the one that was shown because of it."""

    def __init__(self, folder: Path | None, run: Path | None) -> None:
        self.folder, self.run = folder, run
        self._began = False  # whether a run has been seen at work: before that all of them look stopped

    def next_run(self, store: Store) -> Path | None:
        """Another run to show; None if the shown one works, or has just ended and no other trains yet."""
        states = self._states(store)
        working = [path for path, state in states.items() if state in WORKING]
        self._began |= bool(working)
        if self.run in working:
            return None
        training = [path for path in working if states[path] is not State.STARTING]
        found = training or ([] if self.run is not None and states.get(self.run) is State.FINISHED else working)
        self.run = found[0] if found else self.run
        return found[0] if found else None

    def finished(self, store: Store) -> list[Path] | None:
        """The runs to compare, once and when all have ended."""
        states = self._states(store)
        if self.folder is None or not self._began or any(s in {*WORKING, State.WAITING} for s in states.values()):
            return None
        self.folder = None
        return [path for path, state in states.items() if state is State.FINISHED]

    def _states(self, store: Store) -> dict[Path, State]:
        lines = store.within(self.folder) if self.folder is not None else []
        return {line.path: line.status.state for line in lines}
