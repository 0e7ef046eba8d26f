"""Following a run that this process started: events in, a display out. Knows no signals and no outcomes."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from subprocess import Popen, TimeoutExpired
from typing import Protocol

from irltui.cli.lines import Lines
from irltui.console import out_json, talk
from irltui.errors import OutputError
from irltui.runs.event_lines import as_dict
from irltui.runs.events import Damaged, Event
from irltui.runs.history import RunHistory
from irltui.runs.reader import EventReader

POLL = 0.2  # seconds between looks at events.jsonl


class Show(Protocol):
    """Shows one event."""

    def __call__(self, event: Event, /) -> None:
        """Show it."""
        ...


def follow(engine: Popen[bytes], reader: EventReader, history: RunHistory, show: Show) -> int:
    """Show every event until the engine has ended and all is read; a console that takes no more ends nothing.

    Returns:
        What the engine's process returned, negative for a signal.
    """
    while True:
        returned = engine.poll()  # before reading, so that its last words are read too
        events = reader.poll()
        history.take(events)
        for event in events:
            try:
                show(event)
            except (OutputError, BrokenPipeError):
                talk("standard output takes no more: the run goes on, and its events are in its folder")
                show = _nothing
        if returned is not None and not events:
            return returned
        if returned is None:
            _rest(engine)


def json_lines(event: Event) -> None:
    """Every event as one line of JSON on stdout."""
    if not isinstance(event, Damaged):
        out_json(as_dict(event), indent=None)


def text_lines() -> Show:
    """One line per event on stderr."""
    lines = Lines()

    def show(event: Event) -> None:
        if line := lines.line(event):
            talk(line)

    return show


@contextmanager
def live(history: RunHistory) -> Generator[Show]:
    """A progress display on stderr, drawn from `history`."""
    from rich.console import Console

    from irltui.cli.live import display

    with display(Console(stderr=True), history):
        yield _nothing  # it redraws by the clock


def _nothing(event: Event) -> None:
    """The display reads the history by itself."""


def _rest(engine: Popen[bytes]) -> None:
    try:
        engine.wait(POLL)
    except TimeoutExpired:
        return
