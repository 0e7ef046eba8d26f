"""A run on another machine, seen as a run folder here: its events as they grow, its status, commands to it.

Needs a shell at the other end (sh, base64, head, tail), not irltui. One exchange a poll: what is new comes back as
lines "NAME BASE64", and commands that lie in control/ here go there. Knows no ssh options but those it is given.
"""

from __future__ import annotations

import base64
import binascii
import shlex
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from irltui.errors import NoRunError, RunFolderError
from irltui.runs.folder import RunFolder

SCHEME = "ssh://"
_CHUNK = 4 << 20  # bytes of events an exchange
_CONSOLE = 16 << 10
_NO_RUN = 3
_PATIENCE = 60.0  # seconds for one exchange
_SSH_OPTIONS = ("-o", "BatchMode=yes", "-o", "ConnectTimeout=20", "-o", "ServerAliveInterval=15")


@dataclass(frozen=True)
class Place:
    """A run folder on another machine, and the command whose shell reads a script there."""

    path: str
    command: tuple[str, ...]


def parse_place(url: str) -> Place:
    """The place that ssh://[USER@]HOST[:PORT]/PATH means; /~/PATH is seen from the home folder.

    Raises:
        NoRunError: it is no such URL.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise NoRunError(f"{url}: {error}", "Write ssh://HOST/PATH/OF/RUN.") from error
    if parts.scheme != "ssh" or not parts.hostname or parts.hostname.startswith("-") or len(parts.path) < 2:
        raise NoRunError(f"{url}: no place of a run", "Write ssh://HOST/PATH/OF/RUN, or ssh://HOST/~/PATH.")
    user = f"{parts.username}@" if parts.username and not parts.username.startswith("-") else ""
    path = unquote(parts.path).removeprefix("/~/")
    options = (*_SSH_OPTIONS, *(("-p", str(port)) if port else ()))
    return Place(path, ("ssh", *options, "--", f"{user}{parts.hostname}", "sh -s"))


class Mirror:
    """Keeps the run folder `here` like the one at `place`.

    Args:
        place: where the run is.
        here: a folder of ours.
    """

    def __init__(self, place: Place, here: RunFolder) -> None:
        self.run, self._place = here, place
        self._offset = 0
        for folder in (here.path, here.control):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def poll(self) -> bool:
        """Fetch what is new and send what waits; whether there is more to fetch at once.

        Raises:
            NoRunError: there is no run.
            RunFolderError: the other machine cannot be asked.
        """
        before, commands = self._offset, self._waiting()
        for name, content in self._exchange(self._script(commands)):
            self._put(name, content)
        for command in commands:
            command.unlink(missing_ok=True)
        return self._offset - before >= _CHUNK

    def _waiting(self) -> list[Path]:
        return sorted(path for path in self.run.control.glob("*.json") if not path.name.startswith("."))

    def _script(self, commands: Sequence[Path]) -> str:
        lines = [f"cd -- {shlex.quote(self._place.path)} && test -f run.json || exit {_NO_RUN}"]
        for command in commands:
            name, content = shlex.quote(command.name), base64.b64encode(command.read_bytes()).decode()
            beside = shlex.quote(f".{command.name}.tmp")
            lines.append(f"printf %s {content} | base64 -d >control/{beside} && mv control/{beside} control/{name}")
        show = "show() { printf '%s ' \"$1\"; base64 | tr -d '\\n'; echo; }"
        lines += [
            show,
            "cat run.json | show run.json",
            f"tail -c +{self._offset + 1} events.jsonl 2>/dev/null | head -c {_CHUNK} | show events.jsonl",
            f"tail -c {_CONSOLE} console.log 2>/dev/null | show console.log",
            "cat status.json 2>/dev/null | show status.json",
        ]
        return "\n".join([*lines, ""])

    def _exchange(self, script: str) -> Iterator[tuple[str, bytes]]:
        try:
            done = subprocess.run(  # noqa: S603
                self._place.command, input=script.encode(), capture_output=True, timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise RunFolderError(f"{self._place.command[0]}: {error}", "Is the machine reachable?") from error
        if done.returncode == _NO_RUN:
            raise NoRunError(f"{self._place.path}: no run there (run.json is missing)")
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["no word of why"]
            hint = "It must work without a password: try the same with ssh, or add a key."
            raise RunFolderError(f"cannot reach the run: {reason[0]}", hint)
        for line in done.stdout.splitlines():
            name, _, content = line.partition(b" ")
            try:
                yield name.decode("ascii", "replace"), base64.b64decode(content, validate=True)
            except binascii.Error:
                continue  # what a login shell greets with

    def _put(self, name: str, content: bytes) -> None:
        if name == "events.jsonl":
            with self.run.events.open("ab") as file:
                file.write(content)
            self._offset += len(content)
        elif name in {"run.json", "status.json", "console.log"} and content:
            beside = self.run.path / f".{name}.tmp"
            beside.write_bytes(content)
            beside.replace(self.run.path / name)
