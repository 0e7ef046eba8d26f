"""A terminal of tmux: what is typed, what is seen, and what tmux itself complains of."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

PROMPT = "ready> "


class Tmux:
    """One session on a server of its own; what tmux itself complains of is part of every failure."""

    def __init__(self, folder: Path, width: int = 100, height: int = 30) -> None:
        # A new one each: a session must not join a server that is about to end.
        self.socket = tempfile.mktemp(prefix="tmux-", dir=folder)
        size = ("-x", str(width), "-y", str(height))
        # The shell sets its prompt itself (many take none from the environment): the fixture waits for it.
        setup = folder / "shell-setup"
        setup.write_text(f"PS1='{PROMPT}'\n")
        shell = ("-e", f"ENV={setup}", "-e", "LC_ALL=C.UTF-8", "-c", str(folder), "sh")
        complaint = self._call("-f", "/dev/null", "new-session", "-d", "-s", "t", *size, *shell).stderr
        assert not complaint, complaint
        self._call("set-option", "-g", "status", "off")
        # A program that ends its session by accident leaves its last words to be read.
        self._call("set-option", "-g", "remain-on-exit", "on")

    def _call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        # A size in the environment would hide the terminal's own.
        names = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "LINES", "TMUX"}}
        line = ["tmux", "-S", self.socket, *arguments]
        return subprocess.run(line, capture_output=True, text=True, env=names, check=False)

    def type(self, line: str) -> None:
        self._call("send-keys", "-t", "t", line, "Enter")

    def type_in(self, text: str) -> None:
        """Type characters into a field."""
        self._call("send-keys", "-t", "t", "-l", text)

    def press(self, *keys: str) -> None:
        for key in keys:
            self._call("send-keys", "-t", "t", key)
            time.sleep(0.05)  # escape sequences must not run together

    def screen(self) -> str:
        return self._call("capture-pane", "-p", "-t", "t").stdout

    def state(self) -> str:
        """What tmux knows of the session: why a screen is empty."""
        format_ = "pane dead: #{pane_dead} #{pane_dead_status}, command: #{pane_current_command}"
        asked = self._call("display-message", "-p", "-t", "t", format_)
        return (asked.stdout + asked.stderr).strip()

    def wait(self, done: Callable[[str], bool], what: str, seconds: float = 60) -> str:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            captured = self._call("capture-pane", "-p", "-t", "t")
            if captured.returncode:
                raise AssertionError(f"{what} cannot come, the server is gone: {captured.stderr.strip()}")
            if done(captured.stdout):
                return captured.stdout
            time.sleep(0.2)
        raise AssertionError(f"{what} did not come ({self.state()}):\n{self.screen()}")

    def see(self, *texts: str, seconds: float = 60) -> str:
        return self.wait(lambda screen: all(text in screen for text in texts), repr(texts), seconds)

    def resize(self, width: int, height: int) -> None:
        self._call("resize-window", "-t", "t", "-x", str(width), "-y", str(height))

    def end(self) -> None:
        self._call("kill-server")
