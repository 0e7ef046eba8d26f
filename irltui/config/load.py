"""From layers to the one configuration of a run: `defaults < preset < file < flags < --set`.

Knows the order and the rules; `messages` explains errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from irltui.api.registry import Registry, read_plugin_file
from irltui.config.code import with_checked_code
from irltui.config.keys import defaults, value_at
from irltui.config.layers import Layer, Merged, merge, set_layers
from irltui.config.messages import explain
from irltui.config.plugins import PluginsSection
from irltui.config.run_source import target_layers
from irltui.config.schema import RunConfig
from irltui.config.toml import dotted
from irltui.config.trust import file_mark, refuse_untrusted_model, trust, trust_model
from irltui.errors import ConfigError, ModelError, PluginError

_LARGEST = 1 << 63  # TOML's integers have 64 bits; longer ones do not even print


@dataclass(frozen=True)
class Loaded:
    """A configuration, and where each value that is no default came from.

    `origins` maps dotted paths to "run.toml:5", "preset irft:3", "--model", "--set reward.beta=1".
    """

    config: RunConfig
    origins: Mapping[str, str]


def load(target: str, assignments: Sequence[str] = (), *, flags: Sequence[Layer] = (), preset: str = "") -> Loaded:
    """The configuration of a target: a preset's name, a TOML file, the run.json of an earlier run, or "" for none.

    Above it lie `flags`, layers of the command line's own options, and `assignments` as of --set; below it a `preset`.

    Raises:
        ConfigError: every problem at once, one line each.
    """
    return load_layers([*target_layers(target, preset), *flags, *set_layers(assignments)])


def load_layers(layers: Sequence[Layer], registry: Registry | None = None) -> Loaded:
    """The configuration that the layers add up to; later ones win, and all lie above the defaults.

    Raises:
        ConfigError: every problem at once, one line each.
    """
    registry = registry or Registry()
    try:
        bare = merge([Layer("", defaults()), *layers])
        _check_integers(bare)
        _trust_typed_files(bare)
        merged = merge([Layer("", defaults()), *_with_defaults_of_parts(bare, layers, registry)])
        config = with_checked_code(merged, _validate(merged, registry))
        _check_model_code(merged, config)
        return Loaded(config, _origins(merged))
    except RecursionError:
        raise ConfigError("the configuration is nested too deeply") from None


def recorded(values: Mapping[str, Any], registry: Registry | None = None) -> RunConfig:
    """The configuration that run.json holds, checked anew: plugins may have gone, files may have changed."""
    return load_layers([Layer("run.json", values)], registry).config


def refuse_strength(config: RunConfig) -> None:
    """Refuse, with a ConfigError, a strength for the samples that a run learns from."""
    if config.decoding.strength != 1 and config.has_reward:
        raise ConfigError(
            f"decoding.strength = {config.decoding.strength:g}: {config.algorithm} learns from samples of the policy "
            "itself, and another strength than 1 samples another distribution",
            "Leave it at 1 for training. A finished run takes one (irltui sample RUN --strength 3), and so does a "
            "benchmark (benchmarks.NAME.decoding.strength=3).",
        )


def _with_defaults_of_parts(bare: Merged, layers: Sequence[Layer], registry: Registry) -> list[Layer]:
    """The layers with those defaults that objective and reward have instead of the general ones.

    The objective's lie below all layers; the reward's below the one that names its kind, for what lies deeper is
    another reward's.
    """
    with suppress(ValidationError, KeyError):  # which the validation tells, with its place
        PluginsSection.model_validate(bare.values["plugins"], context={"registry": registry})
    kind = ("reward", "kind")
    named = layers.index(bare.sources[kind]) if bare.sources.get(kind) in layers else 0
    objective = _defaults(registry, "objective", bare.values.get("algorithm"), "algorithm {}")
    reward = _defaults(registry, "reward", value_at(bare.values, kind), "reward.kind {}")
    return [*objective, *layers[:named], *reward, *layers[named:]]


def _defaults(registry: Registry, component: str, name: Any, place: str) -> list[Layer]:
    try:
        return [Layer(place.format(name), registry.resolve(component, str(name)).defaults)]
    except PluginError:  # which the validation tells, with its place
        return []


def _validate(merged: Merged, registry: Registry) -> RunConfig:
    try:
        return RunConfig.model_validate(merged.values, context={"registry": registry})
    except ValidationError as error:
        raise ConfigError("\n".join(explain(error, merged, registry))) from None


def _trust_typed_files(merged: Merged) -> None:
    """A plugin file that the user names in this command is trusted; one that a file names is not."""
    for keys, layer in merged.sources.items():
        if layer.typed and keys[:2] == ("plugins", "files") and keys[3:] == ("path",):
            with suppress(PluginError):  # whoever reads it next reports it
                trust(file_mark(read_plugin_file(Path(str(value_at(merged.values, keys)))).source))


def _check_model_code(merged: Merged, config: RunConfig) -> None:
    """Code of the model is trusted if the user allows it in this command, or did so before."""
    model = config.model
    if not model.trust_remote_code:
        return
    layer = merged.sources[("model", "trust_remote_code")]
    try:
        if layer.typed:
            trust_model(model.name, model.revision)
        refuse_untrusted_model(model.name, model.revision)
    except ModelError as error:
        raise ConfigError(f"{layer.place(('model', 'trust_remote_code'))}: {error.message}", error.hint) from None


def _check_integers(merged: Merged) -> None:
    problems = [
        f"{layer.place(keys)}: {dotted(keys)}: whole numbers have at most 64 bits"
        for keys, layer in merged.sources.items()
        if any(isinstance(leaf, int) and abs(leaf) >= _LARGEST for leaf in _leaves(value_at(merged.values, keys)))
    ]
    if problems:
        raise ConfigError("\n".join(problems))


def _leaves(value: Any) -> Iterator[Any]:
    """The value, or the items of its lists; tables are checked on their own."""
    if isinstance(value, list):
        for item in value:
            yield from _leaves(list(item.values()) if isinstance(item, dict) else item)
    else:
        yield value


def _origins(merged: Merged) -> dict[str, str]:
    return {
        dotted(keys): layer.place(keys)
        for keys, layer in merged.sources.items()
        if layer.origin and not isinstance(value_at(merged.values, keys), dict)
    }
