"""One run on the terminal: start its engine, show its events, pass signals on, report how it ended."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from enum import Enum, auto
from functools import partial
from subprocess import Popen, TimeoutExpired
from textwrap import indent

from irltui.cli import dashboard
from irltui.cli.event_text import Lines
from irltui.cli.summary import summary
from irltui.console import complain, out, out_json, talk
from irltui.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK, OutputError
from irltui.experiments.process import Asked, console_tail, death, signals_to, start_engine
from irltui.runs.event_lines import as_dict
from irltui.runs.events import Damaged, Event
from irltui.runs.folder import RunFolder
from irltui.runs.history import RunHistory
from irltui.runs.reader import EventReader, ThinningReader
from irltui.runs.status import State
from irltui.text import safe
from irltui.views.terminal import can_draw, has_screen

POLL = 0.2  # seconds between looks at events.jsonl


Show = Callable[[Event], None]


class Display(Enum):
    """How a run is shown: headless is a progress display, or lines; so is the dashboard without a terminal."""

    DASHBOARD = auto()
    HEADLESS = auto()
    JSON = auto()


def train(run: RunFolder, display: Display) -> int:
    """Start or continue a run and follow it to its end; the exit code."""
    as_json = display is Display.JSON
    history, reader = RunHistory(), (EventReader if as_json else ThinningReader)(run.events)
    while events := reader.poll():  # of earlier attempts
        history.take(events)
    history.end = None
    engine = start_engine(run)
    with signals_to(lambda: [(engine, run)]) as asked:
        if display is Display.DASHBOARD and has_screen():
            left = dashboard.open_dashboard(run.path)
            if engine.poll() is None and left != EXIT_INTERRUPTED:
                talk(f"detached; the run continues: irltui show {safe(run.path)}")
                return EXIT_OK
        else:
            if display is Display.DASHBOARD:
                talk("no terminal for the dashboard: running headless")
            talk(f"run folder: {safe(run.path)}")
        with _showing(history, as_json=as_json) as show:
            follow(reader, history, show, lambda: engine.poll() is not None, partial(_rest, engine))
    return _report(run, history, engine.returncode, asked, as_json=as_json)


def _rest(engine: Popen[bytes]) -> None:
    with suppress(TimeoutExpired):
        engine.wait(POLL)


def follow(
    reader: EventReader, history: RunHistory, show: Show, has_ended: Callable[[], bool], rest: Callable[[], object]
) -> None:
    """Show every event until the run has ended; a console that cannot be written does not end it."""
    while True:
        ended = has_ended()  # before reading: the last events are read too
        events = reader.poll()
        history.take(events)
        for event in events:
            try:
                show(event)
            except (OutputError, BrokenPipeError):
                talk("standard output cannot be written; the run continues, and its events are in its folder")
                show = _nothing
        if ended and not events:
            return
        if not events:
            rest()


def json_line(event: Event, **above: str) -> None:
    """Print an event as one line of JSON, after the fields of `above`."""
    if not isinstance(event, Damaged):
        out_json({**above, **as_dict(event)}, indent=None)


def text_lines() -> Show:
    """One line per event on stderr."""
    lines = Lines()
    return lambda event: talk(line) if (line := lines.line(event)) else None


@contextmanager
def _showing(history: RunHistory, *, as_json: bool) -> Generator[Show]:
    """What shows an event: JSON, lines, or a progress display on stderr, which reads `history` by the clock."""
    if as_json or not can_draw():
        yield json_line if as_json else text_lines()
        return
    from irltui.cli.live import display

    with display(history):
        yield _nothing


def _nothing(event: Event) -> None:
    """Shows nothing."""


def _report(run: RunFolder, history: RunHistory, returned: int, asked: Asked, *, as_json: bool) -> int:
    """Print how the run ended: the summary on stdout, errors on stderr."""
    end = history.end
    state = State(end.state) if end and end.state in set(State) else State.CRASHED
    killed = asked.kill and returned < 0
    if killed:
        complain("error: the engine was killed by Ctrl-C; progress since its last checkpoint is lost")
    elif state in {State.FAILED, State.CRASHED}:
        _complain(run, history, returned)
    if not as_json:
        try:
            out(summary(run, history, state))
        except OutputError as error:  # the exit code tells of the run
            complain(error.message)
    if killed:
        return EXIT_INTERRUPTED
    return returned if returned > 0 or (returned == 0 and end is not None) else EXIT_FAILED


def _complain(run: RunFolder, history: RunHistory, returned: int) -> None:
    reason, hint = death(returned)
    if history.end is not None:
        reason, hint = history.end.reason, history.end.hint
    if tail := console_tail(run):
        complain(f"last lines of {safe(run.console)}:\n{indent(tail, '  ')}")
    complain(f"error: {safe(reason, lines=True)}")
    if hint:
        complain(f"hint: {safe(hint, lines=True)}")
