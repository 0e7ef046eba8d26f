"""A real pseudo-terminal: what bytes reach it, and what it is left like."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

BACK_TO_NORMAL = b"\x1b[?1049l"


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A pseudo-terminal of 80x24 with a Python in it; `seen` is all that it wrote.

    `obeyed`: it is the process's own terminal, whose Ctrl-C and whose end are signals.
    """

    def __init__(self, *arguments: str, cwd: Path | None = None, obeyed: bool = False, **environment: str) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        names = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor", **environment}
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=names,
            cwd=cwd,
            start_new_session=obeyed,
            preexec_fn=_take_terminal if obeyed else None,  # noqa: PLW1509
        )
        os.close(slave)
        self.seen = b""

    def read_until(self, done: Callable[[bytes], bool], seconds: float = 20) -> None:
        end = time.monotonic() + seconds
        while not done(self.seen) and time.monotonic() < end:
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                self.seen += os.read(self.master, 1 << 16)
            except OSError:  # the other side is gone
                break
        assert done(self.seen), self.seen[-2_000:]

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def end(self, number: int) -> int:
        self.process.send_signal(number)
        self.read_until(lambda seen: seen.rstrip().endswith(BACK_TO_NORMAL) or BACK_TO_NORMAL in seen)
        return self.process.wait(20)
