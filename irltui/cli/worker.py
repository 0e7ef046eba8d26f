"""Commands that use what a run learned: asked for here, done by a process of `irltui.use`, which has torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any, NoReturn

from irltui.cli.engine import death
from irltui.console import complain
from irltui.errors import EXIT_FAILED, EXIT_INTERRUPTED, EXIT_OK


def become(command: str, **options: Any) -> NoReturn:
    """Replace this process by the one that does the command; options go as JSON."""
    line = line_of(command, options)
    os.execv(line[0], line)  # noqa: S606


def work(command: str, **options: Any) -> int:
    """Let another process do the command, and wait for it; it talks on stderr.

    Returns:
        The exit code, 130 if Ctrl-C ended it.
    """
    child = subprocess.Popen(line_of(command, options), stdin=subprocess.DEVNULL)  # noqa: S603
    with _signals_to(child):
        returned = child.wait()
    if returned == EXIT_INTERRUPTED or returned < 0:
        reason = "stopped" if returned == EXIT_INTERRUPTED else death(returned, "the work")[0]
        complain(f"{reason}; the same command goes on where it was")
        return EXIT_INTERRUPTED if returned == EXIT_INTERRUPTED else EXIT_FAILED
    return returned or EXIT_OK


def ask(command: str, **options: Any) -> tuple[int, dict[str, Any]]:
    """Let another process find something out; it tells on stderr what is wrong.

    Returns:
        The exit code, 130 if Ctrl-C ended it, and what was found.
    """
    child = subprocess.Popen(line_of(command, options), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)  # noqa: S603
    with _signals_to(child):
        found, _ = child.communicate()
    if child.returncode == EXIT_OK:
        return EXIT_OK, json.loads(found)
    if child.returncode < 0:
        complain("\n".join(line for line in death(child.returncode, "the process that looks") if line))
        return EXIT_FAILED, {}
    return child.returncode, {}


def line_of(command: str, options: dict[str, Any]) -> list[str]:
    """The command line of the process that does a command; -P keeps files of the current folder from being imported."""
    return [sys.executable, "-P", "-u", "-m", "irltui.use", command, json.dumps(options, default=str)]


@contextmanager
def _signals_to(child: subprocess.Popen[bytes]) -> Generator[None]:
    """While inside: a terminal's Ctrl-C is the child's own affair, SIGTERM is passed on."""

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
