"""Chat templates and tokenizers of strangers end: with what they write, or with an error that names them."""

from __future__ import annotations

import resource
import signal
import threading
import time
from typing import Any

import pytest
from tokenizers import Regex, Tokenizer, models, normalizers

from irltui.data import limits
from irltui.data.chat_format import ChatFormat
from irltui.errors import ModelError

LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
STRING = "{% set n = namespace(x='a' * 16) %}{% for a in range(29) %}{% set n.x = n.x ~ n.x %}{% endfor %}"


class Renderer:
    """What of a tokenizer writes conversations."""

    def apply_chat_template(self, messages: Any, *, chat_template: str, **options: Any) -> str:
        from transformers.utils.chat_template_utils import render_jinja_template

        return render_jinja_template(conversations=[messages], chat_template=chat_template)[0][0]


def test_a_template_that_does_not_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "SECONDS", 0.5)
    with pytest.raises(ModelError, match="the chat template has not written a conversation") as caught:
        ChatFormat(Renderer(), LOOP)
    assert "data.template" in caught.value.hint
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_a_template_that_fills_the_memory_is_ended() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(ModelError, match="the chat template ran out of memory"):
        ChatFormat(Renderer(), STRING)
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_tokenizer_that_panics_is_an_error_that_names_it() -> None:
    panic = type("PanicException", (BaseException,), {})

    def read() -> None:
        raise panic("retry-limit-in-match over\nmore")

    with pytest.raises(ModelError, match="the tokenizer cannot read a text: retry-limit"):
        limits.read_within_limits(read)


def test_an_interruption_is_no_panic() -> None:
    def read() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        limits.read_within_limits(read)


def grown(times: int) -> Tokenizer:
    """A tokenizer whose normalizer makes each letter a hundred, so many times."""
    inner = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate("abc ")}, merges=[]))
    inner.normalizer = normalizers.Sequence([normalizers.Replace(Regex("[a-z]"), "abcabcabca" * 10)] * times)
    return inner


def test_a_tokenizer_that_does_not_end_with_a_text_of_the_data_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE", 0.05)
    ends = threading.Event()
    began = time.monotonic()
    with pytest.raises(ModelError, match="the tokenizer has not read a text after 0 s"):
        limits.read_within_limits(ends.wait)
    assert time.monotonic() - began < 10
    ends.set()


def test_a_tokenizer_that_the_machine_gave_no_time_to_read_is_not_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PATIENCE", 0.05)
    limits.try_tokenizer(lambda text: threading.Event().wait(), "the-model")


def test_the_limit_of_memory_ends_with_the_last_of_several_templates() -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    inside, leave = threading.Event(), threading.Event()

    def write() -> None:
        with limits.limited_template():
            inside.set()
            leave.wait()

    other = threading.Thread(target=write)
    with limits.limited_template():
        other.start()
        inside.wait()
    assert resource.getrlimit(resource.RLIMIT_AS) != before
    leave.set()
    other.join()
    assert resource.getrlimit(resource.RLIMIT_AS) == before


def test_a_tokenizer_that_fills_the_memory_with_a_short_text_is_refused_before_it_reads_here() -> None:
    with pytest.raises(ModelError, match="the-model: the tokenizer "):
        limits.try_tokenizer(grown(5).encode, "the-model")


def test_a_tokenizer_that_does_not_end_with_a_short_text_is_refused_before_it_reads_here(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(limits, "SECONDS", 1)

    def spin(text: str) -> None:
        while True:
            pass

    with pytest.raises(ModelError, match="the-model: the tokenizer does not come to an end with a short text"):
        limits.try_tokenizer(spin, "the-model")


def test_a_tokenizer_that_refuses_a_strange_text_may_still_read_the_data() -> None:
    def refuse(text: str) -> None:
        raise ValueError("no such character")

    limits.try_tokenizer(refuse, "the-model")
