"""How long a plugin's part may run before it must report progress. Knows no part; `guard` says which calls are meant.

A call that is late is interrupted where it is, by an alarm in the main thread. One that does not come back to Python
at all is beyond that: the process then ends with a traceback in its console, after `GRACE` more seconds.
"""

from __future__ import annotations

import faulthandler
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType

AGAIN = 5.0  # seconds after which a call that swallowed the interruption is interrupted anew
GRACE = 60.0


class Late(BaseException):
    """A call is late; `place` is where it was. No Exception: no `except Exception` of a plugin may swallow it."""

    def __init__(self, place: str) -> None:
        super().__init__(place)
        self.place = place


class TimeLimit:
    """While inside, a call has `seconds` for an answer; every answer and every poll starts the time anew.

    Calls may lie in one another: a policy step that asks a reward. Outside the main thread there is no limit.

    Args:
        seconds: 0 waits for ever.
    """

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self._depth = 0

    def __enter__(self) -> None:
        self._depth += 1
        self._start()

    def __exit__(self, *error: object) -> None:
        self._depth -= 1
        if self._depth:
            self._start()
        else:
            self._end()

    def outside(self, poll: Callable[[], None]) -> Callable[[], None]:
        """The poll as parts may call it: it counts as progress, and time spent inside (a pause) is not theirs."""

        def polled() -> None:
            if not self._depth:
                poll()
                return
            self._end()
            poll()
            self._start()

        return polled

    def _start(self) -> None:
        if not self._is_on:
            return
        signal.signal(signal.SIGALRM, _interrupt)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, AGAIN)
        if sys.__stderr__ is not None:
            faulthandler.dump_traceback_later(self.seconds + GRACE, exit=True, file=sys.__stderr__)

    def _end(self) -> None:
        if self._is_on:
            signal.setitimer(signal.ITIMER_REAL, 0)
            faulthandler.cancel_dump_traceback_later()

    @property
    def _is_on(self) -> bool:
        return self.seconds > 0 and threading.current_thread() is threading.main_thread()


def _interrupt(number: int, frame: FrameType | None) -> None:
    place = f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}" if frame is not None else "?"
    raise Late(place)
