"""From layers to the one configuration of a run: `defaults < preset < file < flags < --set`.

Knows the order and the rules; where a file or preset is found is `target`'s matter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from irltui.config.layers import Layer, Merged, merge
from irltui.config.messages import explain
from irltui.config.schema import RunConfig
from irltui.config.shape import defaults
from irltui.config.toml import dotted
from irltui.errors import ConfigError
from irltui.registry import Registry


@dataclass(frozen=True)
class Loaded:
    """A configuration and where its values came from.

    `origins` maps dotted paths to "run.toml:5", "preset irft:3", "--set reward.beta=1" ...; a value that is
    not in it is a default.
    """

    config: RunConfig
    origins: Mapping[str, str]


def load(layers: Sequence[Layer], registry: Registry) -> Loaded:
    """The configuration that the layers add up to; later ones win, and all lie above the defaults.

    Raises:
        ConfigError: every problem at once, one line each.
    """
    try:
        merged = merge([Layer("", defaults()), *layers])
        config = RunConfig.model_validate(merged.values, context={"registry": registry})
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, merged, registry))) from None
    except RecursionError:
        raise ConfigError("the configuration is nested too deeply") from None
    return Loaded(config, _origins(merged))


def _origins(merged: Merged) -> dict[str, str]:
    return {
        dotted(path): layer.origin(path)
        for path, layer in merged.sources.items()
        if layer.name and not _is_table(path, merged)
    }


def _is_table(path: tuple[str, ...], merged: Merged) -> bool:
    return any(other[: len(path)] == path != other for other in merged.sources)
