"""Signals while a run prepares: before the first step there is nothing to save, and nobody polls.

The main thread may be waiting in C for other ranks, or be busy with a million rows; Python then runs no signal handler.
So the numbers of signals go through a pipe to a thread, which ends the run itself if the main thread does not.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from irltui.distributed.launch import Signals
from irltui.runs.deadline import Deadline

_LOOK_EVERY = 500  # milliseconds
_GRACE = 1.0  # seconds in which the main thread may come to a safe point by itself
MEETING_PATIENCE = 600.0  # seconds until ranks that have not come are named


@dataclass
class Preparation:
    """What the watching thread needs to know of the main thread."""

    done: threading.Event = field(default_factory=threading.Event)
    met: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watched(
    signals: Signals,
    deadline: Deadline,
    end_by_signal: Callable[[int], None],
    end_in_time: Callable[[], None],
    end_alone: Callable[[], None],
) -> Generator[Preparation]:
    """Inside, until `done` is set, signals that end a run and its deadline are answered within seconds.

    Args:
        signals: those that end a run; SIGINT besides.
        deadline: of the run.
        end_by_signal: says how the run ended and leaves the process; called in the watching thread.
        end_in_time: the same when the deadline is near.
        end_alone: the same when not all ranks have met within MEETING_PATIENCE.
    """
    state = Preparation()
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    ending = frozenset({signal.SIGINT, *signals.leave})

    def watch() -> None:
        began = time.monotonic()
        while not state.done.is_set():
            received = [number for number in _arrived(reading) if number in ending]
            if received and not state.done.wait(_GRACE):
                end_by_signal(received[0])
            if deadline.is_near and not state.done.wait(_GRACE):
                end_in_time()
            if not state.met.is_set() and time.monotonic() - began > MEETING_PATIENCE:
                end_alone()

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        state.done.set()
        thread.join()
        signal.set_wakeup_fd(before)
        for descriptor in (reading, writing):
            with suppress(OSError):
                os.close(descriptor)


def _arrived(pipe: int) -> bytes:
    """The numbers of the signals that have arrived; waits a moment for one."""
    waiting = select.poll()
    waiting.register(pipe, select.POLLIN)
    return os.read(pipe, 64) if waiting.poll(_LOOK_EVERY) else b""
