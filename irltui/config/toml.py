"""TOML: the lines on which keys stand, which tomllib forgets, and writing, which the standard library does not do.

What is written is safe to show on a terminal.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

Keys = tuple[str, ...]
_LONG = 50  # lines of a statement
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def key_lines(text: str) -> dict[Keys, int]:
    """Lines, from 1, of all tables and keys; keys of an inline table stand where their statement begins.

    A document that tomllib accepts is read statement by statement: lines are added until they parse.
    """
    found: dict[Keys, int] = {}
    table: Keys = ()
    statement, start = "", 1
    for number, line in enumerate(text.split("\n"), start=1):
        statement += f"{line}\n"
        if number - start > _LONG and statement.count("[") != statement.count("]"):  # parsing each line takes too long
            continue
        try:
            values = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:  # goes on in the next line
            continue
        if line.lstrip().startswith("[") and start == number:
            table = max(_paths(values), key=len)
            found.setdefault(table, number)
        else:
            for keys in _paths(values):
                found.setdefault((*table, *keys), start)
        statement, start = "", number + 1
    return found


def split_key(text: str) -> Keys | None:
    """The parts of a dotted TOML key, None if it is not a key."""
    try:
        values = tomllib.loads(f"{text.strip()} = 0")
    except (ValueError, RecursionError):
        return None
    paths = list(_paths(values))
    is_one = all(above == below[: len(above)] for above, below in pairwise(paths))
    return paths[-1] if paths and is_one and "\n" not in text.strip() else None


def _paths(values: Mapping[str, Any]) -> Iterator[Keys]:
    """Every key path, outer keys first."""
    for key, value in values.items():
        yield (key,)
        below = value[-1] if isinstance(value, list) and value else value
        if isinstance(below, Mapping):
            yield from ((key, *rest) for rest in _paths(below))


def dotted(keys: Iterable[str]) -> str:
    """Keys as a dotted TOML key, parts quoted where necessary."""
    return ".".join(key if _BARE.fullmatch(key) else text(key) for key in keys)


def value(thing: Any) -> str:
    """A value as TOML; tables are inline."""
    match thing:
        case bool():
            return "true" if thing else "false"
        case str():
            return text(thing)
        case Mapping():
            pairs = (f"{dotted([str(key)])} = {value(item)}" for key, item in thing.items())
            return f"{{ {', '.join(pairs)} }}" if thing else "{}"
        case list() | tuple() | set() | frozenset():
            return f"[{', '.join(map(value, thing))}]"
        case _:
            return str(thing)  # numbers and dates print as TOML writes them


def text(string: str) -> str:
    """A basic string; characters that are not printable are escaped."""
    return f'"{"".join(map(_escaped, string))}"'


def _escaped(character: str) -> str:
    if character in _SHORT:
        return _SHORT[character]
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"
