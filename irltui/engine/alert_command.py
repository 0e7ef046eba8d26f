"""Hands each alert to a command of the user's, such as one that posts to a chat: one JSON object on its stdin."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

from irltui.config.schema import TrackingSection
from irltui.config.trust import file_mark, is_trusted
from irltui.distributed import ranks
from irltui.errors import ConfigError
from irltui.runs.events import Alert


def require_trust(section: TrackingSection) -> None:
    """Refuse a command that nobody on this machine has said to trust."""
    command = section.alert_command
    if command and not is_trusted(file_mark(command.encode())):
        raise ConfigError(
            f"tracking.alert_command: {command!r} would be run, and nobody on this machine has said to trust it",
            "If you trust it, give the command again with --trust-code.",
        )


def alert_command(section: TrackingSection, run: Path) -> Callable[[Alert], None]:
    """What starts the command with an alert and does not wait for it; a command that fails costs the run nothing."""
    started: list[subprocess.Popen[str]] = []

    def hand_over(alert: Alert) -> None:
        if not section.alert_command or not ranks.is_first():
            return
        started[:] = [one for one in started if one.poll() is None]
        about = {"run": str(run.absolute()), "level": alert.level, "code": alert.code, "step": alert.step}
        try:
            process = subprocess.Popen(  # noqa: S602 - a shell line that the user trusts
                section.alert_command,
                shell=True,
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            started.append(process)
            if process.stdin is not None:
                process.stdin.write(json.dumps(about | {"text": alert.text}))
                process.stdin.close()
        except OSError:  # no process can be started, or it does not read
            return

    return hand_over
