"""`irltui watch`: attach to a run that was started elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

from irltui.cli.dashboard import open_dashboard
from irltui.cli.follow import json_lines, text_lines
from irltui.cli.summary import summary
from irltui.console import out
from irltui.errors import EXIT_OK
from irltui.runs.events import Event
from irltui.runs.folder import open_run_folder
from irltui.runs.history import RunHistory, that_count
from irltui.runs.reader import EventReader
from irltui.runs.status import ENDED, State, read_status
from irltui.views.terminal import has_screen

POLL = 0.3  # seconds between looks at the run


def watch(path: Path, *, headless: bool, as_json: bool) -> int:
    """Show a run until it ends or is left.

    Raises:
        NoRunError: there is no run.
    """
    run = open_run_folder(path)
    if not headless and not as_json and has_screen() and open_dashboard(run.path):
        return EXIT_OK
    history, reader = RunHistory(), EventReader(run.events)
    show = json_lines if as_json else text_lines()
    past: list[Event] = []
    while events := reader.poll():
        past += events
    for event in that_count(past):  # what a resume made void is known only now
        show(event)
    history.take(past)
    while True:
        state = read_status(run).state
        events = reader.poll()
        history.take(events)
        for event in events:
            show(event)
        if not events and (state in ENDED or state is State.CRASHED):
            break
        if not events:
            time.sleep(POLL)
    if not as_json:
        out(summary(run, history, state))
    return EXIT_OK
