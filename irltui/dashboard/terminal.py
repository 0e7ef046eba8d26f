"""Manners on a terminal: signals leave the screen as it was before, its end is noticed, NO_COLOR is heeded."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from collections.abc import Callable

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
        except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, as in tests
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
