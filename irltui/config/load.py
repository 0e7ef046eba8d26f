"""From a preset, a file or an earlier run, and assignments, to a validated configuration with origins."""

from __future__ import annotations

import difflib
import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from irltui.api import Spec
from irltui.config.layers import Keys, Layer, file_layer, merge, set_layers
from irltui.config.presets import preset_text, presets
from irltui.config.schema import RunConfig
from irltui.errors import ConfigError
from irltui.registry import Registry

DEFAULTS = Layer("default", {"reward": {"kind": "implicit"}, "sampler": {"kind": "transformers"}})
_REQUIRED = {("model",): "--model", ("model", "name"): "--model", ("data",): "--data", ("data", "source"): "--data"}
_COMPONENTS = {"reward": "reward", "sampler": "sampler"}


@dataclass(frozen=True)
class Loaded:
    """A configuration, and where each value that is no default came from (dotted path -> "run.toml:5")."""

    config: RunConfig
    origins: Mapping[str, str]


def load(target: str, assignments: Sequence[str] = (), *, flags: Sequence[Layer] = ()) -> Loaded:
    """The configuration of a run.

    Args:
        target: a preset's name, a TOML file, or the run.json of an earlier run.
        assignments: `--set` values, the strongest.
        flags: layers of the command line's own options, between file and assignments.

    Raises:
        ConfigError: every problem at once, one line each.
    """
    return load_layers([*target_layers(target), *flags, *set_layers(assignments)])


def target_layers(target: str) -> list[Layer]:
    """A preset or a file as layers.

    Raises:
        ConfigError: no such preset or file, or not readable.
    """
    path = Path(target)
    if path.suffix == ".toml" or path.is_file():
        return [_run_layer(path)] if path.suffix == ".json" else [file_layer(str(path), _read(path))]
    if target not in presets():
        near = difflib.get_close_matches(target, presets(), n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"presets: {', '.join(presets())}"
        raise ConfigError(f"{target}: no preset and no file is called that; {hint}")
    return [file_layer(f"preset {target}", preset_text(target))]


def load_layers(layers: Sequence[Layer], registry: Registry | None = None) -> Loaded:
    """Merge and validate.

    Raises:
        ConfigError: every problem at once, one line each.
    """
    registry = registry or Registry()
    values, origins = merge([DEFAULTS, *layers])
    try:
        config = RunConfig.model_validate(values, context={"registry": registry})
    except ValidationError as error:
        problems = [_explain(dict(problem), values, origins, registry) for problem in error.errors()]
        raise ConfigError("\n".join(dict.fromkeys(problems))) from None
    places = {
        ".".join(keys): layer.place(keys)
        for keys, layer in origins.items()
        if layer is not DEFAULTS and not isinstance(_at(values, keys), dict)
    }
    return Loaded(config, places)


def _run_layer(path: Path) -> Layer:
    """The configuration in an earlier run's run.json."""
    try:
        return Layer(str(path), dict(json.loads(_read(path))["config"]))
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not the run.json of a run: {error!r}") from None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _explain(problem: dict[str, Any], values: dict[str, Any], origins: Mapping[Keys, Layer], registry: Registry) -> str:
    """One problem in one line: origin, line, path, what is wrong, what to do."""
    keys = _known_part(tuple(map(str, problem["loc"])), values)
    layer = next((origins[keys[:n]] for n in range(len(keys), 0, -1) if keys[:n] in origins), None)
    place = f"{layer.place(keys)}: " if layer is not None and layer is not DEFAULTS else ""
    dotted = ".".join(keys)
    message = _message(problem, keys, values, registry)
    return f"{place}{dotted}: {message}" if dotted else f"{place}{message}"


def _message(problem: dict[str, Any], keys: Keys, values: dict[str, Any], registry: Registry) -> str:
    got = f"(got {problem['input']!r})"
    context = problem.get("ctx", {})
    match problem["type"]:
        case "extra_forbidden":
            known = _keys_at(keys[:-1], values, registry)
            near = difflib.get_close_matches(keys[-1], known, n=1)
            remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
            return f"unknown key; {remedy}"
        case "missing":
            flag = _REQUIRED.get(keys)
            return f"required; give {flag}" if flag else "required"
        case "value_error":
            return str(problem["msg"]).removeprefix("Value error, ")
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"{str(problem['msg']).replace('Input should', 'must')} {got}"
        case "literal_error":
            return f"must be one of {context['expected']} {got}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be a table {got}"
        case _:
            return f"{str(problem['msg']).replace('Input should be', 'must be')} {got}"


def _known_part(keys: Keys, values: Mapping[str, Any]) -> Keys:
    """Pydantic ends a path with the union member it tried; the user wrote no such key."""
    at: Any = values
    for n, key in enumerate(keys):
        if not isinstance(at, Mapping):
            return keys[:n]
        if key not in at:
            return keys[: n + 1]
        at = at[key]
    return keys


def _keys_at(keys: Keys, values: Mapping[str, Any], registry: Registry) -> list[str]:
    """The keys a table may have."""
    component = "benchmark" if keys[:1] == ("benchmarks",) and len(keys) == 2 else _COMPONENTS.get(".".join(keys))
    table = _at(values, keys)
    if component and isinstance(table, Mapping) and table.get("kind") in registry.kinds(component):
        return list(registry.kinds(component)[table["kind"]].model_fields)
    section: type[BaseModel] = RunConfig
    for key in keys:
        field = section.model_fields.get(key)
        nested = _section(field.annotation) if field else None
        if nested is None:
            return []
        section = nested
    return list(section.model_fields)


def _section(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, Spec):
        return annotation
    if typing.get_origin(annotation) in {typing.Union, types.UnionType}:
        return next(filter(None, map(_section, typing.get_args(annotation))), None)
    return None


def _at(values: Any, keys: Keys) -> Any:
    for key in keys:
        if not isinstance(values, Mapping) or key not in values:
            return None
        values = values[key]
    return values
