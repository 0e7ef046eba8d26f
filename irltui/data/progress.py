"""What long reading does at intervals: poll for the end of the run, and report progress."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

_SAY_EVERY = 5.0  # seconds


@dataclass
class Progress:
    """`poll` is called at every step, and what it raises passes through; `say` every few seconds."""

    poll: Callable[[], None] = lambda: None
    say: Callable[[str], None] = lambda _: None
    _said: float = field(default_factory=time.monotonic)

    def step(self, done: int, of: str) -> None:
        self.poll()
        if time.monotonic() - self._said > _SAY_EVERY:
            self._said = time.monotonic()
            self.say(f"{done:,} {of}")
