"""`irltui plugins`: list, check and create plugins.

A plugin is imported in its own process only, so that one that crashes or hangs is reported like any other problem.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from irltui import __version__
from irltui.cli.options import Json
from irltui.console import columns, out, out_json, talk
from irltui.errors import EXIT_FAILED, EXIT_OK, PluginError
from irltui.text import safe

if TYPE_CHECKING:
    import queue

    from irltui.api.registry import Registry
    from irltui.config.requests import PluginRequest

_BUILT_IN = "irltui"
_LOAD_LIMIT = 60.0  # seconds that an import may take


@dataclass
class Looked:
    """Findings of the process that loaded a plugin."""

    kinds: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def is_good(self) -> bool:
        return not self.error and not any(check["problem"] for check in self.checks)


def show(
    load: Annotated[bool, typer.Option("--load", help="Import each in its own process, to show its options.")] = False,
    as_json: Json = False,
) -> None:
    """List plugins and their origin, importing none; with --load also their kinds and options.

    Exit code 1 if a plugin that was loaded does not load.

    Examples:
      irltui plugins list
      irltui plugins list --load --json
    """
    from irltui.api.registry import Registry, installed

    registry = Registry()
    rows = [_built_in(registry), *(_row(registry, name, load=load) for name in installed())]
    if as_json:
        out_json(rows)
    else:
        _tell_list(rows)
        if len(rows) > 1 and not load:
            talk("to list what they provide: irltui plugins list --load")
    sys.exit(EXIT_FAILED if any(row["error"] for row in rows) and load else EXIT_OK)


def check(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An installed plugin, or a Python file.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KIND.OPTION=VALUE", help="An option for the checks; repeatable."),
    ] = None,
    limit: Annotated[float, typer.Option("--limit", min=0.1, help="Seconds that one check may take.")] = 120.0,
    as_json: Json = False,
) -> None:
    """Load a plugin in its own process, and test all its parts on the embedded model.

    Exit code 1 if anything is wrong.

    Examples:
      irltui plugins check acme
      irltui plugins check ./my_reward.py --set bounded.limit=2.0
      irltui plugins check acme --limit 600 --json
    """
    from irltui.api.registry import read_plugin_file
    from irltui.config.layers import set_layers
    from irltui.config.requests import PluginRequest

    options: dict[str, dict[str, Any]] = {}
    for layer in set_layers(assignments or ()):
        for kind, given in layer.values.items():
            if not isinstance(given, Mapping):
                raise PluginError(f"--set {safe(kind)}: options are given as KIND.OPTION=VALUE")
            options.setdefault(kind, {}).update(given)
    plugin, file = name, ""
    if name.endswith(".py"):
        found = read_plugin_file(Path(name))
        plugin, file = found.name, str(found.path)
    request = PluginRequest(plugin=plugin, file=file, options=options, check=True)
    looked = _look(request, limit, (lambda _: None) if as_json else _tell_check)
    if as_json:
        out_json({"plugin": plugin, "good": looked.is_good, **vars(looked)})
    elif looked.error:
        out(f"FAILED  {looked.error}")
    else:
        failed = sum(bool(check["problem"]) for check in looked.checks)
        out(f"{plugin}: {len(looked.checks)} checks of {len(looked.kinds)} kinds, {failed} failed")
    sys.exit(EXIT_OK if looked.is_good else EXIT_FAILED)


def _tell_check(line: Mapping[str, Any]) -> None:
    problem = line["problem"]
    told = f"{line['component']} {line['kind']}: {line['check']}{f': {problem}' if problem else ''}"
    out(f"{'FAILED' if problem else 'ok':<6}  {told}")


def look_at_installed() -> list[dict[str, Any]]:
    """The installed plugins, each loaded in its own process."""
    from irltui.api.registry import Registry, installed

    registry = Registry()
    return [_row(registry, name, load=True) for name in installed()]


def _built_in(registry: Registry) -> dict[str, Any]:
    from irltui.api.registry import HOOKS

    kinds = [
        {"component": component, "kind": kind, "description": " ".join((spec.__doc__ or "").split())}
        for component in HOOKS
        for kind, spec in registry.kinds(component).items()
    ]
    about = {"plugin": _BUILT_IN, "origin": _BUILT_IN, "version": __version__, "state": "built in"}
    return {**about, "kinds": kinds, "module": _BUILT_IN, "error": ""}


def _row(registry: Registry, name: str, *, load: bool) -> dict[str, Any]:
    from irltui.api.registry import installed, owners
    from irltui.config.requests import PluginRequest

    entry, clash = installed()[name], owners(name)
    state = "disabled" if registry.is_disabled(name) else "clash" if len(clash) > 1 else "installed"
    looked = Looked()
    if load and state != "disabled":
        looked = _look(PluginRequest(plugin=name), _LOAD_LIMIT)
        state = state if state == "clash" else "broken" if looked.error else "loads"
    return {
        "plugin": name,
        "origin": " and ".join(clash) if len(clash) > 1 else entry.dist.name if entry.dist else "?",
        "version": entry.dist.version if entry.dist else "?",
        "state": state,
        "kinds": looked.kinds,
        "module": entry.value,
        "error": looked.error,
    }


def _tell_list(rows: list[dict[str, Any]]) -> None:
    table = [["plugin", "from", "version", "state"]]
    table += [[safe(row[key]) for key in ("plugin", "origin", "version", "state")] for row in rows]
    out(columns(table))
    for row in rows:
        for kind in row["kinds"]:
            out(f"\n{kind['component']} {kind['kind']}: {kind['description']}")
            for option, about in kind.get("options", {}).items():
                default = "required" if about["required"] else f"default {about['default']}"
                out(f"    {option} ({default}): {about['description']}")
        if row["error"]:
            out(f"\n{row['plugin']}: {row['error']}")


def _look(request: PluginRequest, limit: float, tell: Callable[[Mapping[str, Any]], None] = lambda _: None) -> Looked:
    """What the inspecting process finds, each check told at once; it is killed if no line arrives within the limit."""
    import queue
    import subprocess
    import tempfile
    import threading

    from irltui.cli.worker import handed_over

    looked, lines = Looked(), queue.Queue[str | None]()
    doing: dict[str, Any] = {}
    with handed_over(request) as command, tempfile.TemporaryFile("w+", errors="replace") as said:
        streams: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": said}
        child = subprocess.Popen(command, **streams, text=True, errors="replace", start_new_session=True)  # noqa: S603
        threading.Thread(target=_read, args=(child.stdout, lines), daemon=True).start()
        try:
            # The first line comes when the plugin is imported, and the first check when torch is.
            while (text := lines.get(timeout=limit if doing else max(limit, _LOAD_LIMIT))) is not None:
                match _parsed(text):
                    case {"event": "begin"} as line:
                        doing = line
                    case {"event": "kind"} as line:
                        looked.kinds.append(line)
                    case {"event": "check"} as line:
                        looked.checks.append(line)
                        tell(line)
            if child.wait():
                said.seek(0)
                looked.error = _failure(said.readlines(), child.returncode, doing)
        except queue.Empty:
            what = _place(doing) or f"loading plugin {request.plugin!r}: "
            looked.error = f"{what}not done within {limit:g} s: it hangs, or --limit is too short"
        finally:
            child.kill()
            child.wait()
    return looked


def _read(stream: Any, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _parsed(text: str) -> Any:
    """The JSON of a line, None of what the plugin itself prints."""
    import json

    try:
        return json.loads(text)
    except ValueError:
        return None


def _failure(said: list[str], returned: int, doing: Mapping[str, Any]) -> str:
    own = [line for line in said if line.startswith(("error: ", "hint: "))]
    if own:
        return " ".join(line.strip().removeprefix("error: ") for line in own)
    return f"{_place(doing)}the process ended with exit code {returned}: {''.join(said[-3:]).strip()}"


def _place(doing: Mapping[str, Any]) -> str:
    return f"{doing['component']} {doing['kind']}: {doing['check']}: " if doing else ""
