"""`irltui plugins`: list, check and create plugins.

A plugin is imported in its own process only, so that one that crashes or hangs is reported like any other problem.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
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
    import subprocess

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


def plugins(context: typer.Context, as_json: Json = False) -> None:
    """List, check and create plugins.

    Without a command, lists them. Listing imports nothing.

    Examples:
      irltui plugins
      irltui plugins --json
      irltui plugins check acme
    """
    if context.invoked_subcommand is None:
        sys.exit(_list(load=False, as_json=as_json))


def show(
    load: Annotated[bool, typer.Option("--load", help="Import each in its own process, to show its options.")] = False,
    as_json: Json = False,
) -> None:
    """List plugins and their origin; with --load also their kinds and options.

    Examples:
      irltui plugins list
      irltui plugins list --load --json
    """
    sys.exit(_list(load=load, as_json=as_json))


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
    looked = Looked()
    for line in _look(PluginRequest(plugin=plugin, file=file, options=options, check=True), looked, limit):
        if not as_json and line["event"] == "check":
            mark = "FAILED" if line["problem"] else "ok"
            told = f": {line['problem']}" if line["problem"] else ""
            out(f"{mark:<6}  {line['component']} {line['kind']}: {line['check']}{told}")
    if as_json:
        out_json({"plugin": plugin, "good": looked.is_good, **vars(looked)})
    elif looked.error:
        out(f"FAILED  {looked.error}")
    else:
        failed = sum(bool(check["problem"]) for check in looked.checks)
        out(f"{plugin}: {len(looked.checks)} checks of {len(looked.kinds)} kinds, {failed} failed")
    sys.exit(EXIT_OK if looked.is_good else EXIT_FAILED)


def _list(*, load: bool, as_json: bool) -> int:
    """Built-in kinds and installed plugins; with `load`, what those provide.

    Returns:
        1 if a plugin that was loaded does not load.
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
    return EXIT_FAILED if any(row["error"] for row in rows) and load else EXIT_OK


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
        for _ in _look(PluginRequest(plugin=name), looked, _LOAD_LIMIT):
            pass
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


def _look(request: PluginRequest, looked: Looked, limit: float) -> Iterator[dict[str, Any]]:
    """Lines of the inspecting process, which is killed if no new line arrives within the limit."""
    import subprocess

    from irltui.cli.worker import handed_over

    with handed_over(request) as command:
        child = subprocess.Popen(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        yield from _lines_of(child, request.plugin, looked, limit)


def _lines_of(child: subprocess.Popen[str], plugin: str, looked: Looked, limit: float) -> Iterator[dict[str, Any]]:
    import queue
    import threading

    lines: queue.Queue[str | None] = queue.Queue()
    said: list[str] = []
    threading.Thread(target=_read, args=(child.stdout, lines), daemon=True).start()
    complaints = threading.Thread(target=lambda: said.extend(child.stderr or ()), daemon=True)
    complaints.start()
    doing: dict[str, Any] = {}
    try:
        # The first line comes when the plugin is imported, and the first check when torch is.
        while (text := lines.get(timeout=limit if doing else max(limit, _LOAD_LIMIT))) is not None:
            line = _parsed(text)
            if line is None:  # the plugin prints
                continue
            doing = line if line["event"] == "begin" else doing
            if line["event"] == "kind":
                looked.kinds.append(line)
            elif line["event"] == "check":
                looked.checks.append(line)
            yield line
        complaints.join(timeout=5)
        if child.wait():
            looked.error = _failure(said, child.returncode, doing)
    except queue.Empty:
        what = f"{doing['component']} {doing['kind']}: {doing['check']}" if doing else f"loading plugin {plugin!r}"
        looked.error = f"{what}: not done within {limit:g} s: it hangs, or --limit is too short"
    finally:
        child.kill()
        child.wait()


def _read(stream: Any, lines: queue.Queue[str | None]) -> None:
    for line in stream:
        lines.put(line)
    lines.put(None)


def _parsed(text: str) -> dict[str, Any] | None:
    import json

    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and line.get("event") in {"kind", "begin", "check"} else None


def _failure(said: list[str], returned: int, doing: Mapping[str, Any]) -> str:
    own = [line for line in said if line.startswith(("error: ", "hint: "))]
    if own:
        return " ".join(line.strip().removeprefix("error: ") for line in own)
    where = f"{doing['component']} {doing['kind']}: {doing['check']}: " if doing else ""
    return f"{where}the process ended with exit code {returned}: {''.join(said[-3:]).strip()}"
