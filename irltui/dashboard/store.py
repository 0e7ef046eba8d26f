"""What the dashboard knows: the runs of a folder, and the history of those that are open.

The only part of the dashboard that reads run folders. Files are read in threads, so that a slow disk never holds
up a key; what was read is taken in on the event loop, in slices, so that nothing needs a lock. Knows no widget.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from irltui.dashboard.charts import at_borders
from irltui.errors import IrltuiError
from irltui.runs.control import Command, send
from irltui.runs.durable import tail
from irltui.runs.find import find_runs
from irltui.runs.folder import RunFolder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import read_manifest
from irltui.runs.metrics import GAP
from irltui.runs.reader import ThinningReader, read_history
from irltui.runs.status import WORKING, State, Status, read_status
from irltui.views.answers import Drawn
from irltui.views.flat_config import flat
from irltui.views.replay import Moment, Replay

if TYPE_CHECKING:
    from irltui.views.study import StudyResult

POLL = 0.25  # seconds between looks at an open run
LIST_EVERY = 2.0  # seconds between looks at the folder
SLICE = 1_000  # events taken in between two turns of the event loop
_TAIL_BYTES, _TAIL_LINES, _WHOLE_CONSOLE = 65_536, 12, 400
_FRESH = 20  # steps that a working run may be ahead of its spark
_LONGEST_GLANCE = 24_000_000  # bytes of a log that is read for a spark


@dataclass(frozen=True)
class Line:
    """A run in the list, read without its events; `name` is its path below the folder."""

    path: Path
    name: str
    status: Status
    algorithm: str
    model: str
    console: tuple[str, ...]
    config: Mapping[str, str] = field(default_factory=dict)


@dataclass
class OpenRun:
    """A run whose events are followed.

    Attributes:
        version: grows whenever anything here changed.
        loaded: whether the events that were there when it was opened have all been taken in.
        pending: commands sent and not answered yet, id -> (command, Unix seconds).
        wants_console: whether somebody looks at what the engine printed.
        old_answers: ids of the commands that had been answered when the run was opened.
        replay: where the run is looked at, None for now.
        typed: prompts of somebody here, newest first.
        drawn: answers on request, by prompt and by what answered.
        drawing: what answers now, "" for nothing.
    """

    run: RunFolder
    name: str
    clock: Callable[[], float] = time.time
    history: RunHistory = field(default_factory=RunHistory)
    config: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, Any] = field(default_factory=dict)
    status: Status | None = None
    console: tuple[str, ...] = ()
    problem: str = ""
    loaded: bool = False
    version: int = 0
    pending: dict[str, tuple[str, float]] = field(default_factory=dict)
    wants_console: bool = False
    old_answers: frozenset[str] = frozenset()
    replay: Replay | None = None
    typed: list[str] = field(default_factory=list)
    drawn: dict[tuple[str, str], tuple[Drawn, ...]] = field(default_factory=dict)
    drawing: str = ""

    def __post_init__(self) -> None:
        self._reader = ThinningReader(self.run.events)

    @property
    def state(self) -> State:
        return self.status.state if self.status else State.STARTING

    @property
    def is_alive(self) -> bool:
        return self.state in WORKING

    async def look(self) -> bool:
        events = await asyncio.to_thread(self._reader.poll)
        for at in range(0, len(events), SLICE):
            self.history.take(events[at : at + SLICE])
            await asyncio.sleep(0)
        before = self.status, self.console, self.config, self.problem, self.loaded
        if not self.loaded and self._reader.caught_up:
            self.loaded, self.old_answers = True, frozenset(self.history.answers)
        if self.loaded or self.status is None:
            await asyncio.to_thread(self._read_rest)
        answered = [id_ for id_ in self.pending if id_ in self.history.answers]
        for id_ in answered:
            del self.pending[id_]
        changed = bool(events) or before != (self.status, self.console, self.config, self.problem, self.loaded)
        self.version += changed
        return changed

    def _read_rest(self) -> None:
        if not self.config:
            try:
                manifest = read_manifest(self.run)
                self.config = manifest.config if isinstance(manifest.config, Mapping) else {}
                self.origins = manifest.origins if isinstance(manifest.origins, Mapping) else {}
                self.problem = ""
            except IrltuiError as error:
                self.problem = error.message
        self.status = read_status(self.run)
        told = self.wants_console or self.state in {State.CRASHED, State.FAILED}
        lines = _WHOLE_CONSOLE if self.wants_console else _TAIL_LINES
        self.console = console_tail(self.run, lines) if told else ()

    def send(self, command: Command, text: str = "") -> str:
        """Tell the engine; "" or what went wrong."""
        try:
            id_ = send(self.run, command, text)
        except (IrltuiError, ValueError) as error:
            return f"the command cannot be written: {error}"
        self.pending[id_] = (command, self.clock())
        self.version += 1
        return ""


class Store:
    """The runs of one folder.

    Args:
        folder: where runs lie.
        clock: Unix seconds; tests pass a fixed one.

    Attributes:
        lines: the list, as of the last look.
        open: followed runs by path.
        current: the one that Run and Samples show.
        marked: what Compare shows, in the order of marking.
        sparks: the reward gap at the end of each outer iteration, by run.
        results: of finished studies, by folder and runs; None where there is none.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self.folder, self.clock = folder, clock
        self.lines: list[Line] = []
        self.listed = False
        self.open: dict[Path, OpenRun] = {}
        self.current: OpenRun | None = None
        self.marked: list[Path] = []
        self.version = 0
        self.sparks: dict[Path, tuple[float, ...]] = {}
        self.results: dict[tuple[Path, ...], StudyResult | None] = {}
        self._seen: dict[Path, tuple[int, State]] = {}
        self._about: dict[Path, tuple[str, str, Mapping[str, str]]] = {}

    def open_run(self, path: Path) -> OpenRun:
        found = self.open.get(path)
        if found is None:
            found = self.open[path] = OpenRun(RunFolder(path), self.name_of(path), self.clock)
        self.version += 1
        return found

    def name_of(self, path: Path) -> str:
        """What a run is called: its path below the folder; the name of a study belongs to it."""
        try:
            study = study_of(self.folder / "run")
            return str(path.resolve().relative_to(study.parent if study else self.folder.resolve()))
        except (ValueError, OSError):
            return path.name

    def within(self, folder: Path) -> list[Line]:
        """The runs of a folder, in the order of their names."""
        place = folder.resolve()
        return sorted((one for one in self.lines if place in one.path.resolve().parents), key=lambda one: one.name)

    def study_key(self, run: Path) -> tuple[Path, ...]:
        """The folder and the runs of the study that a run belongs to; () if there is none, or it goes on."""
        study = study_of(run)
        lines = self.within(study) if study is not None else []
        ended = all(line.status.state is State.FINISHED for line in lines)
        return (study, *(line.path for line in lines)) if study is not None and lines and ended else ()

    async def judge(self, key: tuple[Path, ...]) -> None:
        """Compare the arms of a study that has ended."""
        from irltui.views.study import result_in  # takes as long to import as the whole dashboard

        self.results[key] = None
        self.results[key] = await asyncio.to_thread(result_in, key[0])
        self.version += 1

    def mark(self, path: Path) -> None:
        if path in self.marked:
            self.marked.remove(path)
        else:
            self.marked.append(path)
        self.version += 1

    async def look(self) -> None:
        lines = await asyncio.to_thread(lambda: [self._line(run.path) for run in find_runs(self.folder)])
        lines.sort(key=lambda line: line.status.time, reverse=True)
        self.version += lines != self.lines or not self.listed
        self.lines, self.listed = lines, True

    def look_in(self, folder: Path) -> None:
        self.folder, self.listed = folder, False
        self.lines.clear()
        self.version += 1

    async def glance(self) -> bool:
        """Read the gaps of one run whose spark is not known or old; whether there was one."""
        for line in self.lines:
            now = line.status.step, line.status.state
            before = self._seen.get(line.path)
            if before == now or (before is not None and line.status.state in WORKING and now[0] - before[0] < _FRESH):
                continue
            self._seen[line.path] = now
            self.sparks[line.path] = await asyncio.to_thread(_gaps, line.path)
            self.version += 1
            return True
        return False

    async def follow(self, run: OpenRun, changed: Callable[[], None]) -> None:
        with _no_collection():
            while run.run.path in self.open and not run.loaded:
                if await run.look():
                    changed()
        while run.run.path in self.open:
            if await run.look():
                changed()
            await asyncio.sleep(POLL)

    def _line(self, path: Path) -> Line:
        run = RunFolder(path)
        status = read_status(run)
        if path not in self._about:
            try:
                config = read_manifest(run).config
                names = str(config.get("algorithm", "?")), str(config.get("model", {}).get("name", "?"))
                self._about[path] = (*names, flat(config))
            except (IrltuiError, AttributeError, TypeError):
                self._about[path] = "?", "?", flat({})
        algorithm, model, config = self._about[path]
        console = console_tail(run) if status.state is State.CRASHED else ()
        return Line(path, self.name_of(path), status, algorithm, model, console, config)


def done_of(lines: Sequence[Line]) -> str:
    """How many of several runs have finished, and how many never will by themselves."""
    states = [line.status.state for line in lines]
    lost = sum(state in {State.FAILED, State.CRASHED} for state in states)
    return f"{states.count(State.FINISHED)}/{len(lines)} done" + (f", {lost} failed" if lost else "")


def study_of(run: Path) -> Path | None:
    """The folder of the study, seeds or grid that a run belongs to."""
    return next((folder for folder in run.resolve().parents if (folder / "plan.json").is_file()), None)


@contextmanager
def _no_collection() -> Generator[None]:
    """Reading a long log makes millions of objects and no cycles; looking for some takes a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def console_tail(run: RunFolder, lines: int = _TAIL_LINES) -> tuple[str, ...]:
    text = tail(run.console, _TAIL_BYTES).decode("utf-8", "replace")
    return tuple(line for line in text.splitlines() if line.strip())[-lines:]


def _gaps(path: Path) -> tuple[float, ...]:
    """The reward gap at the end of each outer iteration; of a very long log none, until it is opened."""
    run = RunFolder(path)
    try:
        if run.events.stat().st_size > _LONGEST_GLANCE:
            return ()
        return tuple(at_borders(Moment(read_history(run.events)), GAP))
    except OSError:
        return ()
