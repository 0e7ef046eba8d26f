"""Commands in a pseudo-terminal: the bytes that reach it."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
from pathlib import Path

from irltui.cli.main import main

# What a terminal may be told: cursor, colours, modes, queries; no clipboard, no titles, nothing from the data.
ALLOWED = re.compile(
    rb"\x1b\[[0-9;:]*[mHJKABCDGdfrstXn]|\x1b\[[?>=<][0-9;$]*[hlpucmqt]|\x1b\[[0-9;]*[uq]|\x1b[=>78]|\x1b\[[0-9 ]*q"
    rb"|\x1b\]22;default\x07|\x1bP=[12]s\x1b\\|\x1b\[c"
)


def in_terminal(*arguments: str | Path, cwd: Path, size: tuple[int, int] = (80, 24)) -> tuple[int, bytes]:
    """Run a command in a fork on a terminal of its own; its exit code, and all that it wrote there."""
    sys.stdout.flush()
    pid, terminal = pty.fork()
    if not pid:
        _command([str(argument) for argument in arguments], cwd)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    seen = b""
    while True:
        try:
            seen += os.read(terminal, 1 << 16)
        except OSError:  # the other side is gone
            break
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), seen


def _command(arguments: list[str], cwd: Path) -> None:
    code = 70
    try:
        os.chdir(cwd)
        os.environ.update(TERM="xterm-256color", COLORTERM="truecolor", FORCE_COLOR="1", COLUMNS="80")
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(i, mode, closefd=False) for i, mode in enumerate("rww"))
        sys.argv = ["irltui", *arguments]
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def assert_harmless(seen: bytes) -> str:
    """Nothing in the bytes steers the terminal but what is allowed; the text that is left.

    Raises:
        AssertionError: something does.
    """
    left = ALLOWED.sub(b"", seen)
    assert b"\x1b" not in left, left[max(0, left.index(b"\x1b") - 60) :][:160]
    text = left.decode("utf-8")
    bad = [c for c in text if (ord(c) < 32 and c not in "\n\r\t") or 0x7F <= ord(c) < 0xA0 or ord(c) in _BAD]
    assert not bad, [f"U+{ord(c):04X}" for c in bad]
    return text


_BAD = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029, 0xFEFF, *range(0xD800, 0xE000)}
