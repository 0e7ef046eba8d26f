"""Hand a request to a worker process (`python -m irltui.use`), which has torch.

Requests travel in a file readable by its owner only, because everybody can read the list of processes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from irltui.console import complain
from irltui.errors import EXIT_FAILED, EXIT_INTERRUPTED, IrltuiError
from irltui.experiments.process import death, handling

if TYPE_CHECKING:
    from irltui.config.requests import Request

_TAIL = 4  # lines that are shown of a worker that failed


def work(request: Request) -> int:
    """Run the worker, which reports on stderr; returns its exit code, 130 if Ctrl-C ended it."""
    returned = _run(request, None)
    if returned == EXIT_INTERRUPTED or returned < 0:
        reason = "stopped" if returned == EXIT_INTERRUPTED else death(returned, "the worker")[0]
        complain(f"{reason}; repeat the command to continue")
    return EXIT_FAILED if returned < 0 else returned


def ask(request: Request, show: Callable[[dict[str, Any]], None] = lambda _: None) -> tuple[int, dict[str, Any]]:
    """Run the worker, which reports problems on stderr; returns its exit code, and what it found.

    The worker prints a JSON object on each line, which `show` is given as soon as it is there.
    """
    found: dict[str, Any] = {}

    def take(line: bytes) -> None:
        if line.endswith(b"\n"):  # else it was killed amid its line
            found.update(part := json.loads(line))
            show(part)

    returned = _run(request, take)
    if returned < 0:
        complain("\n".join(filter(None, death(returned, "the worker"))))
    return EXIT_FAILED if returned < 0 else returned, found


def _run(request: Request, take: Callable[[bytes], None] | None) -> int:
    """Ctrl-C is left to the worker, which shares the terminal; SIGTERM is passed on."""
    output = subprocess.PIPE if take else None
    with handed_over(request) as line:
        child = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=output)  # noqa: S603

        def pass_on(number: int, frame: FrameType | None) -> None:
            if number == signal.SIGTERM:
                child.send_signal(number)

        with handling({signal.SIGINT: pass_on, signal.SIGTERM: pass_on}):
            if take and child.stdout:
                with child.stdout:
                    deque(map(take, child.stdout), maxlen=0)
            return child.wait()


async def ask_alone(request: Request) -> bytes:
    """Run the worker beside a dashboard and return what it printed; cancelled, it ends the worker.

    Raises:
        IrltuiError: the worker failed.
    """
    pipe = asyncio.subprocess.PIPE
    with handed_over(request) as line:
        process = await asyncio.create_subprocess_exec(
            *line, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
        )
        try:
            out, talked = await process.communicate()
        except asyncio.CancelledError:
            process.kill()
            await process.wait()
            raise
    if returned := process.returncode:
        lines = talked.decode("utf-8", "replace").splitlines()[-_TAIL:]
        raise IrltuiError("\n".join(lines if returned > 0 else death(returned, "the worker")))
    return out


@contextmanager
def handed_over(request: Request) -> Generator[list[str]]:
    """The worker's command line; the worker must have ended when this is left."""
    descriptor, name = tempfile.mkstemp(prefix="irltui-", suffix=".json")  # readable by its owner alone
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({request.command(): request.model_dump()}, file, default=str)
        # -P: files of the current folder are data, not code
        yield [sys.executable, "-P", "-u", "-m", "irltui.use", name]
    finally:
        Path(name).unlink(missing_ok=True)  # the worker deletes it, unless it failed to start
