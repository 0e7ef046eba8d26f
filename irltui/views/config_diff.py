"""Where the configurations of several runs differ. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from irltui.text import masked

DEEPEST = 12


def flat(config: Mapping[str, Any], above: str = "", depth: int = 0) -> dict[str, str]:
    """Values by dotted key, secrets masked: what is compared is shown."""
    found: dict[str, str] = {}
    for key, value in config.items():
        name = f"{above}{key}"
        if isinstance(value, Mapping) and depth < DEEPEST:
            found |= flat(value, f"{name}.", depth + 1)
        else:
            found[name] = masked(str(value))
    return found


def differences(configs: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Keys that are not the same everywhere, with the value of each run ("-" where there is none)."""
    tables = [flat(config) for config in configs]
    keys = list(dict.fromkeys(key for table in tables for key in table))
    rows = {key: [table.get(key, "-") for table in tables] for key in keys}
    return {key: values for key, values in rows.items() if len(set(values)) > 1}
