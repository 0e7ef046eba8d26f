"""The keys of the configuration: fixed tables, and component tables whose keys depend on `kind`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, TypeGuard

from pydantic import BaseModel

from irltui.api.registry import Registry
from irltui.config.layers import PARTS, is_part
from irltui.config.schema import RunConfig
from irltui.config.toml import Keys
from irltui.errors import PluginError


def defaults() -> dict[str, Any]:
    """The lowest layer: required tables, and every `kind` that a higher layer may replace."""
    kinds = {keys[0]: table.model_fields["kind"].default for keys, table in tables() if "kind" in table.model_fields}
    return {"model": {}, "data": {}, **{table: {"kind": kind} for table, kind in (kinds | PARTS).items()}}


def tables() -> Iterator[tuple[Keys, type[BaseModel]]]:
    """Keys and model of every fixed table, from the top."""
    return _tables((), RunConfig)


def component_at(keys: Keys) -> str:
    """The component that the table at `keys` configures ("reward", "benchmark"), "" for none."""
    if not is_part(keys):
        return ""
    return "benchmark" if keys[0] == "benchmarks" else keys[0]


def known_keys(keys: Keys, values: Mapping[str, Any], registry: Registry) -> list[str]:
    """The keys that may stand in the table at `keys` (() is the top), [] if that cannot be known."""
    if component := component_at(keys):
        with suppress(PluginError):
            return list(registry.resolve(component, str(value_at(values, (*keys, "kind")))).model_fields)
    return next((list(model.model_fields) for place, model in tables() if place == keys), [])


def value_at(values: Mapping[str, Any], keys: Keys) -> Any:
    here: Any = values
    for key in keys:
        here = here.get(key) if isinstance(here, Mapping) else None
    return here


def _tables(keys: Keys, model: type[BaseModel]) -> Iterator[tuple[Keys, type[BaseModel]]]:
    yield keys, model
    for name, field in model.model_fields.items():
        if _is_table(field.annotation) and not component_at((*keys, name)):
            yield from _tables((*keys, name), field.annotation)


def _is_table(annotation: Any) -> TypeGuard[type[BaseModel]]:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)
