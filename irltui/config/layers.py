"""Layers of configuration, one per source: later ones win, and each value remembers its layer.

Knows TOML and places, nothing of what the values mean.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from irltui.config.toml import Keys, dotted, key_lines, split_key
from irltui.errors import ConfigError
from irltui.text import safe

PARTS = {"objective": "irft", "reward": "implicit", "sampler": "slots", "update": "rloo"}
"""Tables of parts, with the kind each has where nothing names one; [benchmarks.NAME] are parts, too."""
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_HINT = 'Text stands in quotes (name = "value"), a table opens with [name].'


@dataclass(frozen=True)
class Layer:
    """One source of values.

    `lines` says where in it a key stands; `recorded` keeps the origins of a run that is repeated; `typed` is what the
    user gave in this command, and not what a file says.
    """

    origin: str
    values: Mapping[str, Any]
    lines: Mapping[Keys, int] = field(default_factory=dict)
    recorded: Mapping[str, str] = field(default_factory=dict)
    typed: bool = False

    def place(self, keys: Keys) -> str:
        """Origin and line of a value, or of the nearest table around it: `run.toml:5`."""
        if known := self.recorded.get(dotted(keys)):
            return known
        for end in range(len(keys), 0, -1):
            if line := self.lines.get(keys[:end]):
                return f"{self.origin}:{line}"
        return self.origin


@dataclass(frozen=True)
class Merged:
    """All layers in one; `sources` names the layer of every value and of every table."""

    values: dict[str, Any]
    sources: dict[Keys, Layer]


def file_layer(origin: str, text: str) -> Layer:
    """A TOML document as a layer."""
    try:
        return Layer(origin, tomllib.loads(text), key_lines(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(_syntax(origin, str(error)), _HINT) from None
    except RecursionError:
        raise ConfigError(f"{origin}: not TOML: nested too deeply") from None
    except ValueError:  # Python reads no number of thousands of digits
        raise ConfigError(f"{origin}: not TOML: a number has too many digits") from None


def set_layers(assignments: Iterable[str]) -> list[Layer]:
    """`--set path.to.key=value`, each a layer; kinds come first, because a new kind of a part empties its table."""
    layers: list[tuple[bool, Layer]] = []
    problems = []
    for assignment in assignments:
        shown = safe(assignment, limit=120)
        key, equals, raw = assignment.partition("=")
        keys = split_key(key)
        if keys and equals:
            value = _value(raw)
            is_kind = keys[-1] == "kind" or keys == ("algorithm",) or (isinstance(value, dict) and "kind" in value)
            layers.append((is_kind, value_layer(f"--set {shown}", keys, value)))
        else:
            problems.append(f"--set {shown}: write it as path.to.key=value")
    if problems:
        raise ConfigError("\n".join(problems))
    return [layer for first in (True, False) for is_kind, layer in layers if is_kind is first]


def value_layer(origin: str, keys: Keys, value: Any) -> Layer:
    """One value that the user gave, as a layer."""
    *above, last = keys
    values: dict[str, Any] = {last: value}
    for key in reversed(above):
        values = {key: values}
    return Layer(origin, values, typed=True)


def merge(layers: Sequence[Layer]) -> Merged:
    """All layers in one, later values winning; a new `kind` of a part empties its table first."""
    merged = Merged({}, {})
    for layer in layers:
        _put(merged, merged.values, _with_objective(layer.values), (), layer)
    return merged


def _with_objective(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """`algorithm` names the kind of [objective], so that another one empties that table as another `kind` would."""
    table = values.get("objective", {})
    if "algorithm" not in values or not isinstance(table, dict):
        return values
    return {**values, "objective": {"kind": values["algorithm"], **table}}


def is_part(keys: Keys) -> bool:
    """Whether the table at `keys` configures a part: its options belong to its kind alone."""
    return (len(keys) == 1 and keys[0] in PARTS) or (len(keys) == 2 and keys[0] == "benchmarks")


def _put(merged: Merged, target: dict[str, Any], values: Mapping[str, Any], keys: Keys, layer: Layer) -> None:
    if is_part(keys) and "kind" in values and values["kind"] != target.get("kind"):
        target.clear()  # another kind of part has other options
        _forget_below(merged, keys)
    for key, value in values.items():
        here = (*keys, key)
        if isinstance(value, dict):
            if not isinstance(target.get(key), dict):
                target[key] = {}
            merged.sources[here] = layer
            _put(merged, target[key], value, here, layer)
        else:
            target[key] = value
            _forget_below(merged, here)
            merged.sources[here] = layer


def _forget_below(merged: Merged, keys: Keys) -> None:
    for other in [other for other in merged.sources if other[: len(keys)] == keys != other]:
        del merged.sources[other]


def _syntax(origin: str, message: str) -> str:
    what = safe(message[:1].lower() + message[1:])
    if place := _PLACE.search(what):
        return f"{origin}:{place[1]}: not TOML: {what[: place.start()]} (column {place[2]})"
    return f"{origin}: not TOML: {what}"


def _value(raw: str) -> Any:
    """The right side of an assignment: TOML, else text as it stands (`--set model.name=org/name`)."""
    try:
        values = tomllib.loads(f"v = {raw}")
    except (ValueError, RecursionError):
        return raw
    return values["v"] if values.keys() == {"v"} else raw
