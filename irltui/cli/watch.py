"""`irltui watch`: attach to a run that was started elsewhere."""

from __future__ import annotations

from typing import Annotated

import typer

from irltui.cli.options import Run
from irltui.console import out

POLL = 0.3  # seconds between looks at the run


def watch(
    run: Run,
    headless: Annotated[bool, typer.Option("--headless", help="No dashboard: plain lines.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the events as JSON lines.")] = False,
) -> None:
    """Attach to a run that was started elsewhere; leaving does not stop it.

    To watch a run on another machine, run the command there: `ssh -t HOST irltui watch RUN`.

    Examples:
      irltui watch runs/first
      irltui watch runs/first --headless
    """
    import time

    from irltui.cli.dashboard import open_dashboard
    from irltui.cli.follow import follow, json_line, text_lines
    from irltui.cli.summary import summary
    from irltui.runs.events import Event
    from irltui.runs.folder import open_run_folder
    from irltui.runs.history import RunHistory, that_count
    from irltui.runs.reader import EventReader
    from irltui.runs.status import ENDED, State, read_status
    from irltui.views.terminal import has_screen

    folder = open_run_folder(run)
    if not headless and not as_json and has_screen():
        open_dashboard(folder.path)
        return
    history, reader = RunHistory(), EventReader(folder.events)
    show = json_line if as_json else text_lines()
    past: list[Event] = []
    while events := reader.poll():
        past += events
    for event in that_count(past):  # only now is known what a resume made void
        show(event)
    history.take(past)
    follow(
        reader, history, show, lambda: read_status(folder).state in {*ENDED, State.CRASHED}, lambda: time.sleep(POLL)
    )
    if not as_json:
        out(summary(folder, history, read_status(folder).state))
