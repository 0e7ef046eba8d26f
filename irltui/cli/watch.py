"""`irltui watch`: attach to a run that was started elsewhere, on this machine or another one."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from irltui.cli.dashboard import open_dashboard
from irltui.cli.follow import json_lines, text_lines
from irltui.cli.progress import Progress
from irltui.cli.summary import summary
from irltui.console import out, talk
from irltui.errors import EXIT_OK, RunFolderError
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.mirror import SCHEME, Mirror, parse_place
from irltui.runs.reader import EventReader
from irltui.runs.status import ENDED, State, read_status
from irltui.views.terminal import error_text, has_screen

REMOTE_POLL, LOCAL_POLL = 2.0, 0.3  # seconds; over a network every look is an exchange


def watch(target: str, *, headless: bool, as_json: bool) -> int:
    """Show a run until it ends or is left.

    Raises:
        NoRunError: there is no run.
        RunFolderError: the machine cannot be reached.
    """
    if not target.startswith(SCHEME):
        return _show(open_run_folder(Path(target)), headless=headless, as_json=as_json)
    with tempfile.TemporaryDirectory(prefix="irltui-") as scratch, _mirrored(target, Path(scratch)) as run:
        return _show(run, headless=headless, as_json=as_json)


@contextmanager
def _mirrored(target: str, scratch: Path) -> Generator[RunFolder]:
    """A folder here that follows the run there until it is left."""
    place = parse_place(target)
    mirror = Mirror(place, RunFolder(scratch / (Path(place.path).name or "run")))
    mirror.poll()  # what is wrong with the place is told at once
    left = threading.Event()

    def follow() -> None:
        more, told = True, False
        while not left.wait(0.0 if more else REMOTE_POLL):
            try:
                more, told = mirror.poll(), False
            except RunFolderError as error:
                more = False
                if not told and not has_screen():
                    talk(f"{error_text(error)}\ntrying again")
                told = True

    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    try:
        yield mirror.run
    finally:
        left.set()
        thread.join()


def _show(run: RunFolder, *, headless: bool, as_json: bool) -> int:
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
            time.sleep(LOCAL_POLL)
    if not as_json:
        out(summary(run, progress, state))
    return EXIT_OK
