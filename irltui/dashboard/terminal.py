"""Manners on a terminal: signals leave the screen as it was, its end is noticed, NO_COLOR and its ground are heeded."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import select
import signal
import sys
import termios
import time
import tty
from collections.abc import Callable, Mapping

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

ENDING = (signal.SIGTERM, signal.SIGHUP)
LOOK_EVERY = 2.0  # seconds


def on_ending(leave: Callable[[int], None]) -> None:
    """Call `leave` with the exit code, on the running event loop, when a signal asks to end."""
    loop = asyncio.get_running_loop()
    for number in ENDING:
        try:
            loop.add_signal_handler(number, leave, 128 + number)
        except (RuntimeError, ValueError):  # not the main thread, as in tests
            return


async def until_gone() -> int:
    """Wait until the terminal behind stdin is closed, and return the exit code; for ever if there is none.

    SIGHUP tells only a process that the terminal controls. Without it, what reads the keys would spin for ever.
    """
    if sys.__stdin__ is None or not sys.__stdin__.isatty():
        await asyncio.get_running_loop().create_future()
    poll = select.poll()
    poll.register(0, select.POLLHUP)
    while not poll.poll(0):
        await asyncio.sleep(LOOK_EVERY)
    return 128 + signal.SIGHUP


class Styled(LineFilter):
    """Another filter, handed segments that all have a style: Textual's filter to greys fails on one without."""

    def __init__(self, inner: LineFilter) -> None:
        super().__init__()
        self._inner = inner

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        nothing = Style.null()
        styled = [Segment(text, style or nothing, control) for text, style, control in segments]
        return self._inner.apply(styled, background)


ANSWER_WITHIN = 0.2  # seconds
_GROUND = re.compile(rb"\x1b\]11;rgba?:([0-9a-fA-F]+)/([0-9a-fA-F]+)/([0-9a-fA-F]+)")
_ABOUT_ITSELF = re.compile(rb"\x1b\[\?[\d;]*c")


def has_light_ground(environ: Mapping[str, str] = os.environ) -> bool | None:
    """Whether the terminal's background is light; None if it does not say. Call it before keys are read."""
    told = environ.get("COLORFGBG", "").rpartition(";")[2]
    if told.isdigit():
        return int(told) in {7, 15}
    try:
        with open("/dev/tty", "r+b", buffering=0) as terminal:  # noqa: PTH123 - a device
            return light_by_answer(_ask(terminal.fileno()))
    except (OSError, termios.error):
        return None


def light_by_answer(answer: bytes) -> bool | None:
    """What the answer to the question for the background says."""
    found = _GROUND.search(answer)
    if found is None:
        return None
    red, green, blue = (int(part, 16) / (16 ** len(part) - 1) for part in found.groups())
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.5


def _ask(terminal: int) -> bytes:
    """Ask for the background, then what every terminal answers, so that silence is noticed at once."""
    before, answer = termios.tcgetattr(terminal), b""
    try:
        tty.setcbreak(terminal)
        os.write(terminal, b"\x1b]11;?\x1b\\\x1b[c")
        until = time.monotonic() + ANSWER_WITHIN
        while not _ABOUT_ITSELF.search(answer) and (left := until - time.monotonic()) > 0:
            if select.select([terminal], [], [], left)[0]:
                answer += os.read(terminal, 256)
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(terminal, termios.TCSANOW, before)
    return answer
