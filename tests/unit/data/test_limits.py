"""Chat templates and tokenizers of strangers end: with what they write, or with an error that names them."""

from __future__ import annotations

import resource
import signal
from typing import Any

import pytest

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
    with pytest.raises(ModelError, match="the tokenizer cannot read a text: retry-limit"), limits.limited_tokenizer():
        raise panic("retry-limit-in-match over\nmore")


def test_an_interruption_is_no_panic() -> None:
    with pytest.raises(KeyboardInterrupt), limits.limited_tokenizer():
        raise KeyboardInterrupt
