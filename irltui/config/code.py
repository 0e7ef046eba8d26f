"""Files of code that parts run (`Spec.code`): read once, trusted by the user, unchanged since the run began."""

from __future__ import annotations

from pathlib import Path

from irltui.api import Spec
from irltui.config.layers import Merged
from irltui.config.schema import RunConfig
from irltui.config.toml import Keys, dotted
from irltui.config.trust import checked_file, file_mark, trust
from irltui.errors import ConfigError, PluginError


def with_checked_code(merged: Merged, config: RunConfig) -> RunConfig:
    """The configuration with the hash of each file that a part runs.

    A file that was typed in this command is trusted from now on.
    """
    return config.with_parts(lambda keys, spec: _checked(merged, keys, spec) if spec.code else spec)


def _checked(merged: Merged, table: Keys, spec: Spec) -> Spec:
    keys, path = (*table, spec.code), Path(getattr(spec, spec.code)).expanduser()
    layer = merged.sources.get(keys)
    place = f"{layer.place(keys)}: {dotted(keys)}" if layer is not None else dotted(keys)
    try:
        source = path.read_bytes()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{place}: {path} cannot be read: {error}", "Give the path of a Python file.") from None
    known = spec.model_dump()["sha256"]
    if layer is not None and layer.typed:
        trust(file_mark(source))
        known = ""  # of the file that was named before
    try:
        found = checked_file(path, source, known, f"--set {dotted(keys)}={path}")
    except PluginError as error:
        raise ConfigError(f"{place}: {error.message}", error.hint) from None
    return spec.model_copy(update={"sha256": found})
