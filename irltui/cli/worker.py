"""Hand a request to a worker process (`python -m irltui.use`), which has torch.

Requests travel in a file readable by its owner only, because everybody can read the list of processes.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from irltui.console import complain
from irltui.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK
from irltui.experiments.process import death

if TYPE_CHECKING:
    from irltui.config.requests import Request


def become(request: Request) -> NoReturn:
    """Replace this process by the worker."""
    line = _line(_handed_over(request))
    os.execv(line[0], line)  # noqa: S606


def work(request: Request) -> int:
    """Run the worker, which reports on stderr, and wait for it.

    Returns:
        The exit code, 130 if Ctrl-C ended it.
    """
    with handed_over(request) as line:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL)  # noqa: S603
        with _signals_to(child):
            returned = child.wait()
    if returned == EXIT_INTERRUPTED or returned < 0:
        reason = "stopped" if returned == EXIT_INTERRUPTED else death(returned, "the worker")[0]
        complain(f"{reason}; repeat the command to continue")
        return EXIT_INTERRUPTED if returned == EXIT_INTERRUPTED else EXIT_FAILED
    return returned or EXIT_OK


def ask(request: Request) -> tuple[int, dict[str, Any]]:
    """Run the worker and read its findings; it reports problems on stderr.

    Returns:
        The exit code, 130 if Ctrl-C ended it, and what was found.
    """
    with handed_over(request) as line:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # noqa: S603
        with _signals_to(child):
            found, _ = child.communicate()
    if child.returncode == EXIT_OK:
        return EXIT_OK, json.loads(found)
    if child.returncode < 0:
        complain("\n".join(line for line in death(child.returncode, "the worker") if line))
        return EXIT_FAILED, {}
    return child.returncode, {}


@contextmanager
def handed_over(request: Request) -> Generator[list[str]]:
    """The worker's command line; the worker must have ended when this is left."""
    file = _handed_over(request)
    try:
        yield _line(file)
    finally:
        file.unlink(missing_ok=True)  # the worker deletes it, unless it failed to start


def _handed_over(request: Request) -> Path:
    descriptor, name = tempfile.mkstemp(prefix="irltui-", suffix=".json")  # readable by its owner alone
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({request.command(): request.model_dump()}, file, default=str)
    return Path(name)


def _line(file: Path) -> list[str]:
    return [
        sys.executable,
        "-P",
        "-u",
        "-m",
        "irltui.use",
        str(file),
    ]  # -P: files of the current folder are data, not code


@contextmanager
def _signals_to(child: subprocess.Popen[bytes]) -> Generator[None]:
    """Leave Ctrl-C to the child, which shares the terminal; pass SIGTERM on."""

    def wait(number: int, frame: FrameType | None) -> None:
        pass

    def pass_on(number: int, frame: FrameType | None) -> None:
        child.send_signal(number)

    before = {
        number: signal.signal(number, do) for number, do in {signal.SIGINT: wait, signal.SIGTERM: pass_on}.items()
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
