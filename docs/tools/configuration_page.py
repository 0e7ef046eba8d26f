"""docs/reference/configuration.md, made from the schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from irltui.api.registry import Registry
from irltui.config.keys import tables
from irltui.config.messages import REMEDIES
from irltui.config.toml import dotted, value

_INTRODUCTION = """\
# Configuration

One configuration describes a run: TOML, one table per subject. `python docs/tools/write_pages.py`
generates this page from the schema; `irltui config schema` prints the schema as JSON Schema.

Values come in layers, and later ones win:

    defaults < preset < TOML file < --model, --data, --seed < --set path.to.key=value

- `irltui run irft --model M --data D` starts from a preset, `irltui run my.toml` from a file, `irltui run my.toml
  --preset irft` from a file above a preset; `irltui run RUN/run.json` repeats a run.
- The right side of `--set` is TOML (`--set loop.batch=8`, `--set 'adapter.targets=["q_proj"]'`), else plain text
  (`--set loss.kind=linear`).
- A new `kind` of a part (`[reward]`, `[sampler]`, `[update]`, `[benchmarks.NAME]`) in a higher layer empties that
  table first, because another kind has other options. The options of every other table are common to its kinds and
  stay: `--set loss.kind=hinge` keeps the `loss.gamma` of a preset.
- Nothing is null: absent is `"auto"` or `"off"`. Nothing is read from the environment but
  `IRLTUI_DISABLE_PLUGINS`, names of plugins with commas between (or `all`) that must not be imported.
- `irltui config show` prints every value with its origin; `run.json` keeps both.
- Paths are seen from the folder a run is started in.
"""


def page() -> str:
    return "\n".join([_INTRODUCTION, *_fixed(), *_parts(Registry())]).rstrip() + "\n"


def _fixed() -> Iterator[str]:
    for keys, model in tables():
        title = f"`[{dotted(keys)}]`" if keys else "Top level"
        yield from _section(f"## {title}", model, keys)


def _parts(registry: Registry) -> Iterator[str]:
    places = {
        "objective": "[objective]",
        "reward": "[reward]",
        "sampler": "[sampler]",
        "update": "[update]",
        "benchmark": "[benchmarks.NAME]",
    }
    for component, table in places.items():
        for kind, spec in registry.kinds(component).items():
            yield from _section(f"## `{table}`, kind `{kind}`", spec, (), without="kind")


def _section(title: str, model: type[BaseModel], keys: tuple[str, ...], without: str = "") -> Iterator[str]:
    yield f"{title}\n\n{_one_line(model.__doc__ or '')}\n"
    schema = model.model_json_schema()
    rows = [
        _row(name, shape, (*keys, name))
        for name, shape in schema["properties"].items()
        if _is_value(shape, name, without)
    ]
    if rows:
        yield "\n".join(["| key | value | default | meaning |", "|---|---|---|---|", *rows]) + "\n"


def _is_value(shape: Mapping[str, Any], name: str, without: str) -> bool:
    return name != without and "$ref" not in shape and "additionalProperties" not in shape


def _row(name: str, shape: Mapping[str, Any], keys: tuple[str, ...]) -> str:
    default = (
        f"`{value(shape['default'])}`" if "default" in shape else f"required; {REMEDIES.get(keys, '')}".rstrip("; ")
    )
    return f"| `{name}` | {_values(shape)} | {default} | {_one_line(shape.get('description', ''))} |"


def _values(shape: Mapping[str, Any]) -> str:
    """What may stand there: `"a"`, `"b"` or a number above 0."""
    if "anyOf" in shape:
        return " or ".join(_values(branch) for branch in shape["anyOf"])
    if "enum" in shape:
        return ", ".join(f"`{value(choice)}`" for choice in shape["enum"])
    if "const" in shape:
        return f"`{value(shape['const'])}`"
    match shape.get("type"):
        case "integer":
            return f"whole number{_limits(shape)}"
        case "number":
            return f"number{_limits(shape)}"
        case "boolean":
            return "`true`, `false`"
        case "array":
            item = shape.get("items", {})
            of = "text" if item.get("type") in (None, "string") else "numbers"
            return f"list of {shape['minItems']} {of}" if "minItems" in shape else f"list of {of}"
        case _:
            return "text"


def _limits(shape: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {shape[name]:g}" for name, sign in signs.items() if name in shape]
    return f" {', '.join(limits)}" if limits else ""


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
