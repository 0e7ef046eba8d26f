"""safe(): no text from disk can do anything on a terminal but be seen."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from irltui.text import LONGEST, masked, safe


@given(text=st.text() | st.text(st.characters(min_codepoint=0, max_codepoint=0x9F)) | st.binary().map(repr))
def test_no_control_or_format_character_comes_through(text: str) -> None:
    for character in safe(text):
        assert unicodedata.category(character) not in {"Cc", "Cs"}
        assert character in "\u200c\u200d" or unicodedata.category(character) != "Cf"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇"),
        ("a\nb\tc\r", "a␊b␉c␍"),
        ("\x9b31m", "<U+009B>31m"),
        ("\u202eabc", "<U+202E>abc"),
        ("\udc80", "\N{REPLACEMENT CHARACTER}"),
        ("[/] [bold]é日本👩‍🚀", "[/] [bold]é日本👩‍🚀"),
    ],
)
def test_each_danger_becomes_something_to_look_at(text: str, shown: str) -> None:
    assert safe(text) == shown


def test_lines_and_tabs_stay_where_they_are_wanted() -> None:
    assert safe("a\n\tb\x1b", lines=True) == "a\n\tb␛"


def test_length_is_capped() -> None:
    assert len(safe("x" * (LONGEST + 5))) == LONGEST + 1
    assert safe("abc", limit=2) == "ab…"
    assert safe("abc", limit=3) == "abc"


def test_anything_can_be_shown() -> None:
    assert safe(ValueError("a\x1b")) == "a␛"
    assert safe(None) == "None"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h/d?X-Amz-Signature=5e&sig=abc&design=k", "https://h/d?X-Amz-Signature=***&sig=***&design=k"),
        ("h?apikey=a&auth_token=b&amp;key=c", "h?apikey=***&auth_token=***&amp;key=***"),
        ("s3://me:p@ss@host/x", "s3://***@host/x"),
        ('api_key = "abc" and eos_token = "</s>"', 'api_key = "***" and eos_token = "</s>"'),
        ("sk-abcdefghijklmnop1234 ghp_" + "a1" * 12, "*** ***"),
        ("AKIAIOSFODNN7EXAMPLE xoxb-1234567890", "*** ***"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2ln", "***"),
        ("task-force-of-a-long-name1 key=abc", "task-force-of-a-long-name1 key=abc"),
    ],
)
def test_secrets_are_shown_as_stars(text: str, shown: str) -> None:
    assert safe(text) == shown


@pytest.mark.parametrize("text", ["?key" * 5000, "eyJ-" * 5000, "sk-" * 7000, "://a" * 5000, "secret:" * 3000])
def test_looking_for_secrets_takes_no_longer_for_hostile_text(text: str) -> None:
    begun = time.process_time()
    masked(text)
    assert time.process_time() - begun < 5


def test_what_a_variable_with_the_name_of_a_secret_holds_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["HF_TOKEN", "MY_SERVICE_TOKEN", "DB_PASSWORD", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY"]
    for number, name in enumerate(names):
        monkeypatch.setenv(name, f"correct-horse-{number}")
        assert masked(f"with correct-horse-{number} in it") == "with *** in it"
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "harmless-value")
    assert masked("harmless-value") == "harmless-value"
