"""Resolve local names in a configuration: absolute paths, and run folders as models."""

from __future__ import annotations

from pathlib import Path

from irltui import quickstart
from irltui.api import Spec
from irltui.config.load import Loaded
from irltui.config.toml import Keys
from irltui.errors import ConfigError
from irltui.runs.folder import RunFolder, is_run
from irltui.text import safe

TEMPLATES = {"auto", "none"}
"""Values of data.template that name no file."""
NO_PATHS = {*quickstart.DATA, *quickstart.MODELS, "policy"}
"""Values of options of parts that name no file: the embedded data or model, and the policy's own model."""


def localise(loaded: Loaded) -> Loaded:
    """Files and folders that exist become absolute, a run's folder its model/; everything else is a hub name."""
    config = loaded.config
    named = {name: getattr(config.data, name) for name in ("source", "prompts", "template")}
    places = {name: _absolute(place) for name, place in named.items() if place not in {"", *TEMPLATES}}
    changed = {
        "model": config.model.model_copy(update={"name": _model(config.model.name, loaded)}),
        "data": config.data.model_copy(update=places),
    }
    return Loaded(config.with_parts(_located).model_copy(update=changed), loaded.origins)


def _located(keys: Keys, spec: Spec) -> Spec:
    named = {option: value for option, value in spec if option in spec.paths}
    return spec.model_copy(
        update={
            option: _absolute(name) for option, name in named.items() if isinstance(name, str) and name not in NO_PATHS
        }
    )


def _model(name: str, loaded: Loaded) -> str:
    absolute = _absolute(name)
    if absolute == name and not Path(name).is_absolute():
        return name
    run = RunFolder(Path(absolute))
    if not is_run(run.path):
        return absolute
    if not run.model.is_dir():
        origin = loaded.origins.get("model.name", "")
        raise ConfigError(
            f"{origin}{': ' if origin else ''}model.name: {safe(name)} is a run without a result (no model/ in it)",
            f"Finish it with `irltui run --resume {safe(name)}`, or name another model.",
        )
    return str(run.model)


def _absolute(name: str) -> str:
    try:
        path = Path(name).expanduser()
        return str(path.absolute()) if path.exists() else name  # links stay: other hosts may resolve them otherwise
    except (OSError, ValueError, RuntimeError):  # no path at all, or a home that is not known
        return name
