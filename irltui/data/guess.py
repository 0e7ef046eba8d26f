"""Which columns most likely hold prompt and answer where none has a usual name. Knows names and texts, no file."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

_WORDS = {
    "prompt": ("prompt", "question", "instruction", "input", "query", "user", "request", "ask", "frage", "pregunta"),
    "completion": (
        "completion",
        "answer",
        "response",
        "output",
        "reply",
        "assistant",
        "target",
        "antwort",
        "respuesta",
    ),
}
_NEVER = {"rejected", "negative", "worse", "label", "score", "rating"}
_NEAR = 0.75
_WORDY = 1.5  # words in a field that may be prompt or answer, on average


def guess_columns(rows: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The columns of prompt and completion by their names, else by length in the first rows: answers are longer.

    Returns:
        Their names; "" where nothing fits.
    """
    names = dict.fromkeys(name for row in rows for name in row)
    words = {name: _words(rows, name) for name in names}
    texts = [name for name, mean in words.items() if mean > 0 and name.casefold() not in _NEVER]
    texts.sort(key=lambda name: words[name] < _WORDY)  # an id is no question, whatever its name
    prompt = named_column("prompt", texts)
    completion = named_column("completion", [name for name in texts if name != prompt])
    free = sorted((n for n in texts if n not in {prompt, completion} and words[n] >= _WORDY), key=lambda n: words[n])
    if not completion and free:
        completion = free.pop()
    if not prompt and free:
        prompt = free.pop()
    return prompt, completion


def named_column(what: str, names: Sequence[str]) -> str:
    """The name that holds one of the words for it, or nearly is one."""
    for word in _WORDS[what]:
        if found := [name for name in names if word in name.casefold()]:
            return found[0]
    lowered = {name.casefold(): name for name in names}
    near = (match for word in _WORDS[what] for match in difflib.get_close_matches(word, lowered, 1, _NEAR))
    return next((lowered[match] for match in near), "")


def _words(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    """Mean number of words per field; 0 if a field is not text."""
    values = [value for row in rows if (value := row.get(name)) is not None]
    if not values or not all(isinstance(value, str) for value in values):
        return 0.0
    return fmean(len(value.split()) for value in values)
