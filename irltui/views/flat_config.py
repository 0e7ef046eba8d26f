"""A configuration as values by dotted key, to compare it with others, and single values of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from irltui.text import masked

DEEPEST = 12


def flat(config: Mapping[str, Any], above: str = "", depth: int = 0) -> dict[str, str]:
    """Values by dotted key, with secrets masked."""
    found: dict[str, str] = {}
    for key, value in config.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and depth < DEEPEST:
            found |= flat(value, f"{name}.", depth + 1)
        else:
            found[name] = masked(str(value))
    return found


def setting(config: Mapping[str, Any], table: str, key: str) -> Any:
    """One value, "?" if there is none."""
    found = config.get(table)
    return found.get(key, "?") if isinstance(found, Mapping) else "?"
