"""Check one plugin in a process of its own, which may crash or hang: what it provides, and whether it conforms.

Prints one JSON object per line, as soon as it is known; the caller enforces the time limit.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from irltui.api import Spec
from irltui.api.registry import Registry, read_plugin_file
from irltui.config.requests import PluginRequest
from irltui.errors import PluginError


def main(request: PluginRequest) -> None:
    """Print each kind of a plugin, then each of its checks."""
    plugin, options = request.plugin, request.options
    registry = Registry()
    if request.file:
        registry.add_file(read_plugin_file(Path(request.file)))
    registry.load(plugin)
    provided = registry.provided(plugin)
    if unknown := options.keys() - {name for kinds in provided.values() for name in kinds}:
        raise PluginError(f"--set {min(unknown)}: plugin {plugin!r} has no such kind", "Write KIND.OPTION=VALUE.")
    kinds = [(component, name, spec) for component, specs in provided.items() for name, spec in specs.items()]
    for component, name, spec in kinds:
        _say(event="kind", component=component, kind=f"{plugin}/{name}", **_about(spec))
    for name, observe in registry.observers().items():  # of this plugin alone: no other is loaded
        _say(event="kind", component="observer", kind=name, description="watches runs (irltui_event)", options={})
        if request.check:
            _check_observer(name, observe)
    for component, name, spec in kinds if request.check else ():
        for line in _checked(component, f"{plugin}/{name}", spec, options.get(name, {})):
            _say(component=component, kind=f"{plugin}/{name}", **line)


def _about(spec: type[Spec]) -> dict[str, Any]:
    fields = {name: info for name, info in spec.model_fields.items() if name != "kind"}
    return {
        "description": " ".join((spec.__doc__ or "").split()),
        "options": {
            name: {
                "description": info.description or "",
                "required": info.is_required(),
                "default": None if info.is_required() else repr(info.get_default(call_default_factory=True)),
            }
            for name, info in fields.items()
        },
    }


def _checked(component: str, kind: str, spec: type[Spec], options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    from irltui.lm.load import quiet_transformers
    from irltui.testing import checks

    quiet_transformers()
    try:
        made = spec.from_options({"kind": kind, **options})
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        problem = _told(error, kind) if isinstance(error, ValidationError) else repr(error)
        yield {"event": "check", "check": "Its options can be made", "problem": problem}
        return
    begun = ""
    for says, problem in checks(component, made):
        is_begin = says != begun
        yield {"event": "begin" if is_begin else "check", "check": says, "problem": problem}
        begun = says if is_begin else ""


def _told(error: ValidationError, kind: str) -> str:
    places = {".".join(map(str, problem["loc"])): problem for problem in error.errors()}
    needed = next((place for place, problem in places.items() if problem["type"] == "missing"), "")
    hint = f"; give --set {kind.partition('/')[2]}.{needed}=VALUE" if needed else ""
    return "; ".join(f"{place}: {problem['msg']}" for place, problem in places.items()) + hint


def _check_observer(plugin: str, observe: Callable[..., Any]) -> None:
    from irltui.testing import observer_problem

    about = {"component": "observer", "kind": plugin, "check": "It takes every event, and changes none"}
    _say(event="begin", problem="", **about)
    _say(event="check", problem=observer_problem(observe), **about)


def _say(**line: Any) -> None:
    print(json.dumps(line), flush=True)  # noqa: T201 - the calling process reads it
