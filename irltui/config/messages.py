"""Error messages of a configuration: one line per problem, with its place and the remedy.

    run.toml:8: optimizer.learning_rate: must be greater than 0 (got -1e-05)

Knows pydantic's error types; what a value means is the schema's matter.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from irltui.api.registry import Registry
from irltui.config.keys import known_keys, tables, value_at
from irltui.config.kinds import UNKNOWN_ALGORITHM
from irltui.config.layers import Merged
from irltui.config.toml import Keys, dotted, value
from irltui.text import safe, suggestion

REMEDIES: dict[Keys, str] = {
    ("model", "name"): "give --model",
    ("data", "source"): "give --data",
}
"""What no default can know."""

_CHOICE = re.compile(r"'((?:[^'\\]|\\.)*)'")
_LONGEST = 60

Problem = Mapping[str, Any]
_LIMITS = {"gt": "greater than", "ge": "at least", "lt": "less than", "le": "at most"}
_TYPES = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text in quotes",
    "list": "a list",
    "dict": "a table",
    "model": "a table",
}
_OTHERS = {"finite_number": "a finite number", "string_unicode": "valid Unicode text"}


def explain(error: ValidationError, merged: Merged, registry: Registry) -> list[str]:
    """One line for each problem, in the order of the schema."""
    by_keys: dict[Keys, list[Problem]] = {}
    for problem in error.errors(include_url=False):
        keys = ("algorithm",) if problem["type"] == UNKNOWN_ALGORITHM else _keys(problem, merged.values)
        by_keys.setdefault(keys, []).append(dict(problem))
    return [_line(keys, problems, merged, registry) for keys, problems in by_keys.items()]


def quoted(thing: Any) -> str:
    """A value as a message shows it: short, on one line."""
    if isinstance(thing, Mapping):
        return "a table"
    return safe(repr(thing) if isinstance(thing, str) else value(thing), limit=_LONGEST)


def _line(keys: Keys, problems: list[Problem], merged: Merged, registry: Registry) -> str:
    message = described(problems)
    if problems[0]["type"] == "extra_forbidden":
        message = _unknown(keys, merged, registry)
    elif problems[0]["type"] == "missing" and keys in REMEDIES:
        message = f"required; {REMEDIES[keys]}"
    if not keys:
        at_fault = tuple(message.split(" ", 1)[0].split("."))  # with which a rule over several keys begins
        return f"{_place(at_fault, merged)}{message}"
    return f"{_place(keys, merged)}{dotted(keys)}: {message}"


def described(problems: list[Problem]) -> str:
    match problems[0]["type"]:
        case "extra_forbidden":
            return "unknown key"
        case "missing":
            return "required"
        case "value_error" | "unknown_algorithm":
            return safe(problems[0]["msg"].removeprefix("Value error, "))
        case "string_too_short":
            return "must not be empty"
    return expected(problems)


def _keys(problem: Problem, values: Mapping[str, Any]) -> Keys:
    """The key that a problem is about: pydantic adds the branch of a union, or an index, behind it."""
    keys: Keys = ()
    for part in map(str, problem["loc"]):
        here = value_at(values, keys)
        if not isinstance(here, Mapping) or (part not in here and problem["type"] != "missing"):
            break
        keys = (*keys, part)
    return keys


def _place(keys: Keys, merged: Merged) -> str:
    """The layer that holds the key, with the line; "" for what no layer says."""
    # A table that is wrong as a whole is so for its kind.
    for candidate in ((*keys, "kind"), *(keys[:end] for end in range(len(keys), 0, -1))):
        layer = merged.sources.get(candidate)
        if layer is not None and layer.origin:
            return f"{layer.place(candidate)}: "
    return ""


def _unknown(keys: Keys, merged: Merged, registry: Registry) -> str:
    *above, name = keys
    known = known_keys(tuple(above), merged.values, registry)
    elsewhere = [dotted((*place, name)) for place, model in tables() if name in model.model_fields]
    if elsewhere and not difflib.get_close_matches(name, known, n=1):
        return f"unknown key; did you mean {elsewhere[0]!r}?"
    return f"unknown key{suggestion(name, known) if known else ''}"


def expected(problems: list[Problem]) -> str:
    """`must be at least 1 or 'auto' (got 0)`: the branches of a union together."""
    given = problems[0]["input"]
    phrases = [_phrase(problem) for problem in problems]
    if None in phrases:
        return f"{safe(problems[0]['msg'])} (got {quoted(given)})"
    message = f"must be {' or '.join(dict.fromkeys(filter(None, phrases)))} (got {quoted(given)})"
    literals = [problem["ctx"]["expected"] for problem in problems if problem["type"] == "literal_error"]
    if isinstance(given, str) and (choices := _CHOICE.findall(" ".join(literals))):
        near = difflib.get_close_matches(given, choices, n=1)
        return f"{message}; did you mean {near[0]!r}?" if near else message
    return message


def _phrase(problem: Problem) -> str | None:
    type_, _, wrong = problem["type"].partition("_")
    context = problem.get("ctx", {})
    phrase = _OTHERS.get(problem["type"]) or (_TYPES.get(type_) if wrong in {"type", "parsing", "from_float"} else None)
    if problem["type"] == "literal_error":
        choices = [f"'{choice}'" for choice in _CHOICE.findall(context["expected"])] or [context["expected"]]
        phrase = choices[0] if len(choices) == 1 else f"one of {', '.join(choices)}"
    for key in _LIMITS.keys() & context.keys():
        limit = context[key]
        phrase = f"{_LIMITS[key]} {f'{limit:g}' if isinstance(limit, float) else limit}"
    is_item = any(isinstance(part, int) for part in problem["loc"])
    return f"a list, each {phrase}" if phrase and is_item else phrase
