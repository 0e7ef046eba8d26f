"""A configuration as TOML, each value with its origin in a comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from irltui.config.load import Loaded
from irltui.config.toml import Keys, dotted, value
from irltui.text import safe

_COMMENT_AT = 44


def render(loaded: Loaded) -> str:
    return render_values(loaded.config.model_dump(mode="json"), loaded.origins)


def render_values(config: Mapping[str, Any], origins: Mapping[str, str]) -> str:
    """A configuration as TOML; the comment behind each value names its origin."""
    return "\n".join(_table((), config, origins)).strip() + "\n"


def _table(keys: Keys, values: Mapping[str, Any], origins: Mapping[str, str]) -> Iterator[str]:
    below = {key: item for key, item in values.items() if isinstance(item, Mapping)}
    if len(below) < len(values) and keys:
        yield f"\n[{dotted(keys)}]"
    for key, item in values.items():
        if key not in below and item is not None:
            origin = safe(origins.get(dotted((*keys, key)), "default"))
            yield f"{f'{dotted([key])} = {value(item)}':<{_COMMENT_AT}}  # {origin}"
    for key, item in below.items():
        yield from _table((*keys, key), item, origins)
