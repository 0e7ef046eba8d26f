"""`irltui plugins`: what is installed, what it provides, whether it conforms; and a new one from the template.

A plugin is only ever imported in a process of its own, so one that crashes or hangs is a line of the answer.
"""

from __future__ import annotations

import json
import queue
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from irltui import __version__
from irltui.api.registry import HOOKS, Registry, installed, owners, read_plugin_file
from irltui.cli.worker import line_of
from irltui.config.layers import set_layers
from irltui.console import columns, out, out_json, talk
from irltui.errors import EXIT_FAILED, EXIT_OK, PluginError
from irltui.text import safe

_BUILT_IN = "irltui"
_LOAD_LIMIT = 60.0  # seconds that an import may take


@dataclass
class Looked:
    """What a process found out about a plugin."""

    kinds: list[dict[str, Any]] = field(default_factory=list)
    checks: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def is_good(self) -> bool:
        """Whether it loads and no check found a problem."""
        return not self.error and not any(check["problem"] for check in self.checks)


def list_plugins(*, load: bool, as_json: bool) -> int:
    """Built-in kinds and installed plugins; with `load`, what those provide.

    Returns:
        1 if a plugin that was loaded does not load.
    """
    registry = Registry()
    rows = [_built_in(registry), *(_row(registry, name, load=load) for name in installed())]
    if as_json:
        out_json(rows)
    else:
        _tell_list(rows)
        if len(rows) > 1 and not load:
            talk("what they provide: irltui plugins list --load")
    return EXIT_FAILED if any(row["error"] for row in rows) and load else EXIT_OK


def look_at_installed() -> list[dict[str, Any]]:
    """Rows of the installed plugins, loaded; what `irltui plugins list --load --json` prints of them."""
    registry = Registry()
    return [_row(registry, name, load=True) for name in installed()]


def check_plugin(name: str, assignments: tuple[str, ...], limit: float, *, as_json: bool) -> int:
    """Load a plugin and try all it provides; 1 if anything is wrong.

    Args:
        name: of an installed plugin, or a Python file.
        assignments: KIND.OPTION=VALUE for what has no default.
        limit: seconds for one check.
        as_json: print JSON.

    Raises:
        PluginError: there is no such plugin.
    """
    options: dict[str, dict[str, Any]] = {}
    for layer in set_layers(assignments):
        for kind, given in layer.values.items():
            if not isinstance(given, Mapping):
                raise PluginError(f"--set {safe(kind)}: options are given as KIND.OPTION=VALUE")
            options.setdefault(kind, {}).update(given)
    plugin, file = name, ""
    if name.endswith(".py"):
        found = read_plugin_file(Path(name))
        plugin, file = found.name, str(found.path)
    looked = Looked()
    for line in _look(plugin, file, options, looked, limit=limit, check=True):
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
    return EXIT_OK if looked.is_good else EXIT_FAILED


def _built_in(registry: Registry) -> dict[str, Any]:
    kinds = [
        {"component": component, "kind": kind, "description": " ".join((spec.__doc__ or "").split())}
        for component in HOOKS
        for kind, spec in registry.kinds(component).items()
    ]
    about = {"plugin": _BUILT_IN, "origin": _BUILT_IN, "version": __version__, "state": "built in"}
    return {**about, "kinds": kinds, "module": _BUILT_IN, "error": ""}


def _row(registry: Registry, name: str, *, load: bool) -> dict[str, Any]:
    entry, clash = installed()[name], owners(name)
    state = "disabled" if registry.is_disabled(name) else "clash" if len(clash) > 1 else "installed"
    looked = Looked()
    if load and state != "disabled":
        for _ in _look(name, "", {}, looked, limit=_LOAD_LIMIT, check=False):
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


def _look(
    plugin: str, file: str, options: Mapping[str, Any], looked: Looked, *, limit: float, check: bool
) -> Iterator[dict[str, Any]]:
    """Lines of the process that looks, which is killed when nothing new comes within the limit."""
    child = subprocess.Popen(  # noqa: S603
        line_of("plugin", {"plugin": plugin, "file": file, "options": options, "check": check}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,
    )
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
            looked.error = _last_words(said, child.returncode, doing)
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
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and line.get("event") in {"kind", "begin", "check"} else None


def _last_words(said: list[str], returned: int, doing: Mapping[str, Any]) -> str:
    own = [line for line in said if line.startswith(("error: ", "hint: "))]
    if own:
        return " ".join(line.strip().removeprefix("error: ") for line in own)
    where = f"{doing['component']} {doing['kind']}: {doing['check']}: " if doing else ""
    return f"{where}the process ended with exit code {returned}: {''.join(said[-3:]).strip()}"
