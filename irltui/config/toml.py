"""Writing TOML, which the standard library only reads; what comes out is safe to show on a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def dotted(path: Iterable[str]) -> str:
    """A path as a dotted TOML key, parts quoted where necessary."""
    return ".".join(key if _BARE.fullmatch(key) else text(key) for key in path)


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
