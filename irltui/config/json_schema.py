"""The configuration as JSON Schema, for editors and other programs: fixed tables and the known kinds of parts."""

from __future__ import annotations

from typing import Any

from irltui.api import Spec
from irltui.api.registry import Registry
from irltui.config.layers import PARTS
from irltui.config.schema import RunConfig

_REF = "#/$defs/{model}"


def json_schema(registry: Registry) -> dict[str, Any]:
    """Draft 2020-12; component tables are a choice among the kinds that `registry` knows."""
    schema = RunConfig.model_json_schema(ref_template=_REF)
    definitions = schema["$defs"]
    for table in PARTS:
        schema["properties"][table] = _choice(table, registry, definitions)
    for kind in registry.kinds("objective"):
        definitions[f"objective.{kind}"]["required"] = []  # `algorithm` is its kind
    schema["properties"]["benchmarks"]["additionalProperties"] = _choice("benchmark", registry, definitions)
    schema["required"] = [name for name in schema["required"] if name not in PARTS]  # they have a default kind
    for abstract in ("ObjectiveSpec", "RewardSpec", "SamplerSpec", "UpdateSpec", "BenchmarkSpec"):
        definitions.pop(abstract, None)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def _choice(component: str, registry: Registry, definitions: dict[str, Any]) -> dict[str, Any]:
    kinds = registry.kinds(component)
    for kind, spec in kinds.items():
        definitions |= {f"{component}.{kind}": _kind(kind, spec, definitions)}
    return {"oneOf": [{"$ref": _REF.format(model=f"{component}.{kind}")} for kind in kinds]}


def _kind(kind: str, spec: type[Spec], definitions: dict[str, Any]) -> dict[str, Any]:
    schema = spec.model_json_schema(ref_template=_REF)
    definitions |= schema.pop("$defs", {})
    schema["properties"]["kind"] = {"const": kind, "description": schema["properties"]["kind"]["description"]}
    return schema
