"""Files of code that parts run (`Spec.code`): read once, trusted by the user, unchanged since the run began."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from irltui.api import Spec
from irltui.config.layers import PARTS, Merged
from irltui.config.schema import RunConfig
from irltui.config.toml import Keys, dotted
from irltui.config.trust import file_mark, is_trusted, trust
from irltui.errors import ConfigError


def with_checked_code(merged: Merged, config: RunConfig) -> RunConfig:
    """The configuration with the hash of each file that a part runs.

    A file that was typed in this command is trusted from now on.

    Raises:
        ConfigError: a file cannot be read, has changed, or is not trusted.
    """
    checked = {keys: _checked(merged, keys, spec) for keys, spec in _parts(config) if spec.code}
    tables = {keys[0]: spec for keys, spec in checked.items() if len(keys) == 1}
    benchmarks = {**config.benchmarks, **{keys[1]: spec for keys, spec in checked.items() if len(keys) == 2}}
    return config.model_copy(update={**tables, "benchmarks": benchmarks}) if checked else config


def _parts(config: RunConfig) -> Iterator[tuple[Keys, Spec]]:
    yield from (((table,), getattr(config, table)) for table in PARTS)
    yield from ((("benchmarks", name), spec) for name, spec in config.benchmarks.items())


def _checked(merged: Merged, table: Keys, spec: Spec) -> Spec:
    keys, path = (*table, spec.code), Path(getattr(spec, spec.code)).expanduser()
    layer = merged.sources.get(keys)
    place = f"{layer.place(keys)}: {dotted(keys)}" if layer is not None else dotted(keys)
    try:
        source = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place}: {path} cannot be read: {error}", "Give the path of a Python file.") from None
    known, found = spec.model_dump()["sha256"], hashlib.sha256(source).hexdigest()
    if layer is not None and layer.typed:
        trust(file_mark(source))
        known = ""  # of the file that was named before
    if known not in {"", found}:
        raise ConfigError(
            f"{place}: {path} has changed since the run began",
            f"Put the file back, or start a new run with --set {dotted(keys)}={path}",
        )
    if not is_trusted(file_mark(source)):
        raise ConfigError(
            f"{place}: {path} would be run, and nobody on this machine has said to trust it",
            f"Look at the file; if you trust it, give the command again with --set {dotted(keys)}={path}, "
            "or with --trust-code.",
        )
    return spec.model_copy(update={"sha256": found})
