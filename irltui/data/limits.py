"""Limits for other people's code that irltui runs: chat templates are programs, tokenizers are regular expressions.

A template may take seconds of processor time and a gigabyte for one conversation. A tokenizer is tried in a process of
its own first, and has a time limit for the texts of the data; one that panics is an error that names it.
"""

from __future__ import annotations

import faulthandler
import math
import os
import resource
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, TypeVar

from irltui.errors import ModelError, is_panic

SECONDS = 3.0
ROOM = 1 << 30  # bytes
_PAGE = resource.getpagesize()
PATIENCE = 30.0  # seconds
SLOWEST = 20_000  # characters a second
_PROBES = (*(chr(code) * 40 + "!" for code in range(32, 127)), *"é字😀", " " * 500, "\n \t" * 200, "word 17, " * 100)
_TOKENIZER_HINT = "Is the model's tokenizer.json whole, and are its regular expressions meant for such text?"
T = TypeVar("T")
_TEMPLATE_HINT = (
    "It lies in the model's folder (chat_template.jinja, or chat_template in tokenizer_config.json), unless "
    "data.template names another: set data.template to a Jinja file that writes the conversation."
)


class _Late(BaseException):
    """No Exception: nothing that a template calls may swallow it."""


@contextmanager
def limited_template() -> Generator[None]:
    """While inside, a chat template writes one conversation.

    Raises:
        ModelError: it took too long or too much memory.
    """
    try:
        with _seconds(), _room:
            yield
    except _Late:
        raise ModelError(
            f"the chat template has not written a conversation after {SECONDS:.0f} s of processor time", _TEMPLATE_HINT
        ) from None
    except MemoryError:
        raise ModelError("the chat template ran out of memory while it wrote a conversation", _TEMPLATE_HINT) from None


def read_within_limits(read: Callable[[], T], characters: int = 0) -> T:
    """Run a tokenizer in a thread, and wait for it as long as so many characters may take.

    Raises:
        ModelError: it panics, or takes too much time or memory.
    """
    outcome: list[T | BaseException] = []

    def work() -> None:
        try:
            outcome.append(read())
        except BaseException as error:  # noqa: BLE001 - raised again by the waiting thread
            outcome.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    seconds = PATIENCE + characters / SLOWEST
    thread.join(seconds)
    if not outcome:
        raise ModelError(f"the tokenizer has not read a text after {seconds:.0f} s", _TOKENIZER_HINT)
    (found,) = outcome
    if isinstance(found, MemoryError):
        raise ModelError("the tokenizer ran out of memory while it read a text", _TOKENIZER_HINT) from None
    if isinstance(found, BaseException):
        if not is_panic(found):
            raise found
        reason = (str(found).strip() or type(found).__name__).splitlines()[0]
        raise ModelError(f"the tokenizer cannot read a text: {reason}", _TOKENIZER_HINT) from None
    return found


def try_tokenizer(tokenizer: Any, name: str) -> None:
    """Try a tokenizer on short texts in a child process, where it can be stopped from outside.

    Raises:
        ModelError: it takes too much time or memory.
    """
    try:
        with warnings.catch_warnings(action="ignore"):  # that threads are not copied; the copy needs none
            pid = os.fork()
    except OSError:  # no room for another process; the limits of threads remain
        return
    if not pid:
        _read_and_leave(tokenizer)
    until = time.monotonic() + PATIENCE
    while (ended := os.waitpid(pid, os.WNOHANG))[0] == 0 and time.monotonic() < until:
        time.sleep(0.005)
    if not ended[0]:  # it had no time on a busy machine, or a lock of another thread was held when it was copied
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return
    code = os.waitstatus_to_exitcode(ended[1])
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        raise ModelError(f"{name}: the tokenizer does not come to an end with a short text", _TOKENIZER_HINT)
    if code:
        raise ModelError(f"{name}: the tokenizer fills the memory with a short text", _TOKENIZER_HINT)


def _read_and_leave(tokenizer: Any) -> None:
    """In the child process: read, and exit with 1 if memory ran out; other errors return with the data's own texts."""
    code = 0
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        faulthandler.disable()
        begun = math.ceil(time.process_time())
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (begun + int(SECONDS), begun + int(SECONDS) + 1))
        signal.signal(signal.SIGXCPU, signal.SIG_DFL)
        with _Room():  # of its own: another thread may have held the lock of the other when it was copied
            for text in _PROBES:
                try:
                    tokenizer(text)
                except MemoryError:
                    code = 1
                except BaseException as error:  # noqa: BLE001
                    if is_panic(error):
                        break  # which takes long
    finally:
        os._exit(code)


def _late(number: int, frame: FrameType | None) -> None:
    raise _Late


@contextmanager
def _seconds() -> Generator[None]:
    """A limit of processor time, which a busy machine does not shorten; only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_PROF)[0]:
        yield  # a limit is set already
        return
    before = signal.signal(signal.SIGPROF, _late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


class _Room:
    """While a thread is inside, the process may grow by `ROOM`; where its size is unknown, there is no limit."""

    def __init__(self) -> None:
        self._lock, self._inside, self._before = threading.Lock(), 0, (0, 0)

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._before = resource.getrlimit(resource.RLIMIT_AS)
                with suppress(OSError, ValueError, IndexError):
                    size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE
                    limits = (limit for limit in (size + ROOM, *self._before) if limit != resource.RLIM_INFINITY)
                    resource.setrlimit(resource.RLIMIT_AS, (min(limits), self._before[1]))

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                resource.setrlimit(resource.RLIMIT_AS, self._before)


_room = _Room()
