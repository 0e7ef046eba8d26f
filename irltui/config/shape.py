"""Which keys the configuration has where: the schema as a tree of tables, component tables by their `kind`."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from irltui.api import BenchmarkSpec, RewardSpec, SamplerSpec, Spec
from irltui.config.lines import Path
from irltui.config.schema import RunConfig
from irltui.registry import Registry

COMPONENTS: dict[type[Spec], str] = {RewardSpec: "reward", SamplerSpec: "sampler", BenchmarkSpec: "benchmark"}
REQUIRED = {"model.name": "give --model", "data.source": "give --data"}
"""What no default can know, and the remedy."""


def defaults() -> dict[str, Any]:
    """The lowest layer: the tables that must be there, and every `kind` that a higher layer may replace."""
    kinds = {
        name: {"kind": field.annotation.model_fields["kind"].default}
        for name, field in RunConfig.model_fields.items()
        if is_table(field.annotation) and "kind" in field.annotation.model_fields
    }
    return {**kinds, "model": {}, "data": {}, "reward": {"kind": "implicit"}, "sampler": {"kind": "transformers"}}


def known_keys(path: Path, values: Mapping[str, Any], registry: Registry) -> list[str]:
    """The keys that may stand in the table at `path`, [] if they cannot be known.

    Args:
        path: the table; () is the top.
        values: the configuration so far, for the kinds it names.
        registry: where kinds are looked up.
    """
    model: type[BaseModel] | None = RunConfig
    here: Any = values
    for key in path:
        here = here.get(key) if isinstance(here, Mapping) else None
        model = _below(model, key, here, registry)
    return list(model.model_fields) if model else []


def tables() -> Iterator[tuple[Path, type[BaseModel]]]:
    """Every table with a fixed shape: path and model, the top first."""
    yield from _tables((), RunConfig)


def component_of(annotation: Any) -> str:
    """Which kind of part an annotation stands for (`reward`, `sampler`, `benchmark`), "" for none."""
    return next((name for spec, name in COMPONENTS.items() if spec in _parts(annotation)), "")


def is_table(annotation: Any) -> typing.TypeGuard[type[BaseModel]]:
    """Whether a field holds a table of fixed shape."""
    return isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in COMPONENTS


def _tables(path: Path, model: type[BaseModel]) -> Iterator[tuple[Path, type[BaseModel]]]:
    yield path, model
    for name, field in model.model_fields.items():
        if is_table(field.annotation):
            yield from _tables((*path, name), field.annotation)


def _below(model: type[BaseModel] | None, key: str, value: Any, registry: Registry) -> type[BaseModel] | None:
    """The model of the table `key` inside a table."""
    if model is None:
        return None
    if key not in model.model_fields:
        return None
    annotation = model.model_fields[key].annotation
    if is_table(annotation):
        return annotation
    return None


def _parts(annotation: Any) -> set[Any]:
    """An annotation and all that it is made of."""
    inner = [part for argument in typing.get_args(annotation) for part in _parts(argument)]
    return {annotation, *inner} if not isinstance(annotation, types.UnionType | list) else set(inner)
