"""Start the engine's process, pass signals on, and explain how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from irltui.console import talk
from irltui.distributed.launch import complete_environment
from irltui.errors import RunFolderError
from irltui.runs.control import Command, send
from irltui.runs.durable import tail
from irltui.runs.folder import RunFolder, open_own
from irltui.text import safe

ENGINE = [sys.executable, "-P", "-u", "-m", "irltui.engine"]  # -P: files of the current folder are data, not code
_TAIL_BYTES, _TAIL_LINES = 16_384, 12


def start_engine(run: RunFolder, *, threads: int | None = None) -> subprocess.Popen[bytes]:
    """Start the engine of a run in a session of its own, so that no hang-up and no Ctrl-C here reaches it.

    `threads` is its share of the processor, unless OMP_NUM_THREADS says another; None leaves the choice to torch.
    """
    environment = dict(os.environ)
    if threads is not None:
        environment.setdefault("OMP_NUM_THREADS", str(threads))
    try:
        opened = os.fdopen(open_own(run.console, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab")
    except OSError as error:
        raise RunFolderError(f"{run.console}: cannot be written: {error}") from error
    with opened as console:
        return subprocess.Popen(  # noqa: S603
            [*ENGINE, str(run.path)],
            stdin=subprocess.DEVNULL,
            stdout=console,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )


def become_engine(run: RunFolder) -> NoReturn:
    """Replace this process by the engine: a launcher watches the processes it started."""
    complete_environment()
    os.execv(ENGINE[0], [*ENGINE, str(run.path)])  # noqa: S606


@dataclass
class Asked:
    """What signals asked for: `by` is the first that ends the work, 0 for none."""

    by: int = 0
    kill: bool = False


@contextmanager
def signals_to(working: Callable[[], Iterable[tuple[subprocess.Popen[bytes], RunFolder]]]) -> Generator[Asked]:
    """Ctrl-C stops working engines with checkpoints, a second one kills them; SIGTERM and SIGUSR1 are passed on."""
    asked = Asked()

    def interrupt(number: int, frame: FrameType | None) -> None:
        asked.kill = asked.by == signal.SIGINT
        asked.by = number
        talk("killing" if asked.kill else "stopping at the next safe point, with a checkpoint; Ctrl-C again kills")
        for engine, run in working():
            if asked.kill:
                engine.kill()
            else:
                send(run, Command.STOP)

    def pass_on(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            asked.by = asked.by or number
        for engine, _ in working():
            engine.send_signal(number)

    with handling({signal.SIGINT: interrupt, signal.SIGTERM: pass_on, signal.SIGUSR1: pass_on}):
        yield asked


@contextmanager
def handling(handlers: Mapping[int, Callable[[int, FrameType | None], None]]) -> Generator[None]:
    """Handle signals inside, and as before afterwards."""
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def death(returned: int, process: str = "the engine") -> tuple[str, str]:
    """Reason and hint for a process that ended without reporting an end."""
    if returned >= 0:
        return f"{process} ended without reporting a reason (exit code {returned})", ""
    try:
        name = signal.Signals(-returned).name
    except ValueError:
        name = str(-returned)
    memory = "If memory ran out, lower loop.micro_batch, sampler.slots or the lengths in [data]."
    return f"{process} was killed ({name})", memory if returned == -signal.SIGKILL else ""


def console_tail(run: RunFolder) -> str:
    text = tail(run.console, _TAIL_BYTES).decode("utf-8", "replace")
    return "\n".join(safe(line, limit=400) for line in text.splitlines()[-_TAIL_LINES:] if line.strip())
