"""`irltui watch`: attach to a run that was started elsewhere."""

from __future__ import annotations

import time
from pathlib import Path

from irltui.cli.dashboard import open_dashboard
from irltui.cli.follow import json_lines, text_lines
from irltui.cli.progress import Progress
from irltui.cli.summary import summary
from irltui.console import out
from irltui.errors import EXIT_OK
from irltui.runs.folder import open_run_folder
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
    progress, reader = Progress(), EventReader(run.events)
    show = json_lines if as_json else text_lines()
    while True:
        state = read_status(run).state
        events = reader.poll()
        for event in events:
            progress.take(event)
            show(event)
        if not events and (state in ENDED or state is State.CRASHED):
            break
        if not events:
            time.sleep(POLL)
    if not as_json:
        out(summary(run, progress, state))
    return EXIT_OK
