"""Signals: a terminal that goes away, or a request to end, leaves the screen as it was before."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

ENDING = (signal.SIGTERM, signal.SIGHUP)


def on_ending(leave: Callable[[int], None]) -> None:
    """Call `leave` with the exit code, on the running event loop, when a signal asks to end."""
    loop = asyncio.get_running_loop()
    for number in ENDING:
        try:
            loop.add_signal_handler(number, leave, 128 + number)
        except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, as in tests
            return
