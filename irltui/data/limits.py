"""Limits for what strangers wrote and we run: chat templates are programs, tokenizers are regular expressions.

A template has seconds of processor time and room for one conversation. A tokenizer that panics is an error that names
it.
"""

from __future__ import annotations

import resource
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from irltui.errors import ModelError, is_panic

SECONDS = 5.0
ROOM = 1 << 30  # bytes
_PAGE = resource.getpagesize()
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
        with _seconds(), _room():
            yield
    except _Late:
        raise ModelError(
            f"the chat template has not written a conversation after {SECONDS:.0f} s of processor time", _TEMPLATE_HINT
        ) from None
    except MemoryError:
        raise ModelError("the chat template ran out of memory while it wrote a conversation", _TEMPLATE_HINT) from None


@contextmanager
def limited_tokenizer() -> Generator[None]:
    """While inside, a tokenizer reads texts.

    Raises:
        ModelError: it panics, or takes too much memory.
    """
    try:
        yield
    except MemoryError:
        raise ModelError("the tokenizer ran out of memory while it read a text", _hint()) from None
    except BaseException as error:
        if not is_panic(error):
            raise
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(f"the tokenizer cannot read a text: {reason}", _hint()) from None


def _hint() -> str:
    return "Is the model's tokenizer.json whole, and are its regular expressions meant for such text?"


def _late(number: int, frame: FrameType | None) -> None:
    raise _Late


@contextmanager
def _seconds() -> Generator[None]:
    """A limit of processor time, which a busy machine does not shorten; only the main thread can be interrupted."""
    if threading.current_thread() is not threading.main_thread() or signal.getitimer(signal.ITIMER_PROF)[0]:
        yield  # somebody has set one already
        return
    before = signal.signal(signal.SIGPROF, _late)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@contextmanager
def _room() -> Generator[None]:
    """The process may grow by `ROOM`; where that cannot be said, it may grow."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    try:
        size = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE
        least = min(limit for limit in (size + ROOM, soft, hard) if limit != resource.RLIM_INFINITY)
        resource.setrlimit(resource.RLIMIT_AS, (least, hard))
    except (OSError, ValueError, IndexError):
        yield
        return
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
