"""Choosing runs by words and by their configuration: `lr>=1e-5 model~llama failed`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

_TERM = re.compile(r"(?P<key>[A-Za-z_][\w.]*)(?P<op>>=|<=|!=|=|~|>|<)(?P<value>.+)")
_SHORT = {
    "lr": "optimizer.learning_rate",
    "beta": "reward.beta",
    "model": "model.name",
    "data": "data.source",
    "outer": "loop.outer_iterations",
}


def matches(query: str, text: str, config: Mapping[str, str]) -> bool:
    """Whether every term holds: a word that the text contains, or a comparison with a value of the configuration.

    Terms have spaces between; `=`, `!=`, `<`, `>`, `<=` and `>=` compare, `~` asks for a part of a value. `config` maps
    dotted keys to values.
    """
    return all(_term(term, text.casefold(), config) for term in query.casefold().split())


def _term(term: str, text: str, config: Mapping[str, str]) -> bool:
    found = _TERM.fullmatch(term)
    if found is None:
        return term in text
    known = values(found["key"], config)
    return any(_holds(value.casefold().strip("\"'"), found["op"], found["value"]) for value in known)


def values(key: str, config: Mapping[str, str]) -> list[str]:
    """Of the key itself, of its long form, else of every key that ends with it."""
    for name in (key, _SHORT.get(key, "")):
        if name in config:
            return [config[name]]
    return [value for name, value in config.items() if name.endswith(f".{key}")]


def _holds(value: str, op: str, wanted: str) -> bool:
    if op == "~":
        return wanted in value
    try:
        left: float | str = float(value)
        right: float | str = float(wanted)
    except ValueError:
        left, right = value, wanted
    if op in {"=", "!="}:
        return (left == right) is (op == "=")
    if isinstance(left, str) or isinstance(right, str):
        return False
    return left >= right if op == ">=" else left <= right if op == "<=" else left > right if op == ">" else left < right
