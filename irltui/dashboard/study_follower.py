"""Goes on to the run of a study that works, and at the end to the verdict, unless somebody looks elsewhere."""

from __future__ import annotations

from pathlib import Path

from irltui.dashboard.store import Line, Store
from irltui.runs.status import WORKING, State


class StudyFollower:
    """Follows the study in `folder`, None for none; `run` is the one that was shown because of it."""

    def __init__(self, folder: Path | None, run: Path | None) -> None:
        self.folder, self.run = folder, run
        self._began = False  # whether a run has been seen at work: before that all of them look stopped

    def next_run(self, store: Store) -> Path | None:
        """Another run to show, None if the shown one works or none does."""
        working = [line.path for line in self._lines(store) if line.status.state in WORKING]
        self._began |= bool(working)
        if not working or self.run in working:
            return None
        self.run = working[0]
        return self.run

    def finished(self, store: Store) -> list[Path] | None:
        """The runs to compare, once and when all have ended."""
        lines = self._lines(store)
        if not self._began or any(line.status.state in {*WORKING, State.WAITING} for line in lines):
            return None
        self.folder = None
        return [line.path for line in lines if line.status.state is State.FINISHED]

    def _lines(self, store: Store) -> list[Line]:
        return store.within(self.folder) if self.folder is not None else []
