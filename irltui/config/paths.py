"""Resolve local names in a configuration: absolute paths, and run folders as models."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from irltui import quickstart
from irltui.api import Spec
from irltui.config.layers import PARTS
from irltui.config.load import Loaded
from irltui.config.schema import RunConfig
from irltui.errors import ConfigError
from irltui.runs.folder import RunFolder, is_run
from irltui.text import safe

_Spec = TypeVar("_Spec", bound=Spec)
TEMPLATES = {"auto", "none"}
"""Values of data.template that name no file."""
NO_PATHS = {*quickstart.DATA, *quickstart.MODELS, "policy"}
"""Values of options of parts that name no file: the embedded data or model, and the policy's own model."""


def localise(loaded: Loaded) -> Loaded:
    """Files and folders that exist become absolute, a run's folder its model/; everything else is a hub name."""
    config = loaded.config
    model = config.model.model_copy(update={"name": _model(config.model.name, loaded)})
    template = config.data.template
    data = config.data.model_copy(
        update={
            "source": _absolute(config.data.source),
            "prompts": _absolute(config.data.prompts) if config.data.prompts else "",
            "template": template if template in TEMPLATES else _absolute(template),
        }
    )
    parts = {table: _located(getattr(config, table)) for table in PARTS}
    benchmarks = {name: _located(spec) for name, spec in config.benchmarks.items()}
    changed: RunConfig = config.model_copy(
        update={
            "model": model,
            "data": data,
            **parts,
            "benchmarks": benchmarks,
        }
    )
    return Loaded(changed, loaded.origins)


def _located(spec: _Spec) -> _Spec:
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
