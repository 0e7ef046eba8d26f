"""Sources of values and their order: defaults < preset < file < --set. Knows tables and lines, not their meaning."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from irltui.errors import ConfigError

Keys = tuple[str, ...]
_HEADER = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_ASSIGNMENT = re.compile(r"""\s*((?:[\w\-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w\-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w\-]+|"[^"]*"|'[^']*'""")


@dataclass(frozen=True)
class Layer:
    """One source of values; later layers win."""

    origin: str
    values: dict[str, Any]
    lines: dict[Keys, int] = field(default_factory=dict)

    def place(self, keys: Keys) -> str:
        """Where a value stands: "run.toml:5", or the origin alone."""
        for end in range(len(keys), 0, -1):
            if keys[:end] in self.lines:
                return f"{self.origin}:{self.lines[keys[:end]]}"
        return self.origin


def file_layer(origin: str, text: str) -> Layer:
    """A TOML file as a layer.

    Raises:
        ConfigError: not TOML.
    """
    try:
        return Layer(origin, tomllib.loads(text), _key_lines(text))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{origin}: not TOML: {error}") from None


def set_layers(assignments: Sequence[str]) -> list[Layer]:
    """`--set path.to.key=value`, each a layer; kinds first, for a new kind empties its table.

    Raises:
        ConfigError: an assignment without a path or a value.
    """
    return sorted(map(_set_layer, assignments), key=lambda layer: ".kind=" not in layer.origin)


def merge(layers: Sequence[Layer]) -> tuple[dict[str, Any], dict[Keys, Layer]]:
    """All values, and the layer each came from."""
    values: dict[str, Any] = {}
    origins: dict[Keys, Layer] = {}
    for layer in layers:
        _put(values, layer.values, (), layer, origins)
    return values, origins


def _put(target: dict[str, Any], values: dict[str, Any], keys: Keys, layer: Layer, origins: dict[Keys, Layer]) -> None:
    if "kind" in values and values["kind"] != target.get("kind"):
        target.clear()  # another kind has other options
        for known in [known for known in origins if known[: len(keys)] == keys != known]:
            del origins[known]
    for key, value in values.items():
        below = (*keys, key)
        if isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            _put(target[key], value, below, layer, origins)
        else:
            target[key] = value
        origins[below] = layer


def _set_layer(assignment: str) -> Layer:
    path, equals, raw = assignment.partition("=")
    *tables, key = path.strip().split(".")
    if not equals or not key or not all(tables):
        raise ConfigError(f"--set {assignment}: write it as path.to.key=value")
    values: dict[str, Any] = {key: _value(raw.strip())}
    for table in reversed(tables):
        values = {table: values}
    return Layer(f"--set {assignment}", values)


def _value(raw: str) -> Any:
    """TOML, else a string: --set model.name=org/name."""
    try:
        document = tomllib.loads(f"v = {raw}")
    except (tomllib.TOMLDecodeError, RecursionError):
        return raw
    return document["v"] if document.keys() == {"v"} else raw


def _key_lines(text: str) -> dict[Keys, int]:
    """The line of each key: good enough for messages, not a parser."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _parts(header[1])
            lines.setdefault(table, number)
        elif assignment := _ASSIGNMENT.match(line):
            lines.setdefault((*table, *_parts(assignment[1])), number)
    return lines


def _parts(dotted: str) -> Keys:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
