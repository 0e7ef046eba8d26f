"""Plugins that watch a run: each event is handed to them once it is written."""

from __future__ import annotations

import json
from collections.abc import Callable

from irltui.api.registry import Registry
from irltui.engine.timelimit import Late, TimeLimit
from irltui.runs.event_lines import encode
from irltui.runs.events import Event, Log
from irltui.runs.folder import RunFolder
from irltui.runs.writer import RunWriter


def watched(run: RunFolder, writer: RunWriter, registry: Registry, limit: TimeLimit) -> Callable[[Event], None]:
    """What hands an event to the registry's observers. One that raises or hangs is left out; the run goes on."""
    observers = registry.observers()

    def pass_on(event: Event) -> None:
        for name, observe in list(observers.items()):
            try:
                with limit:
                    observe(event=json.loads(encode(event)), run=run.path)
            except (Exception, SystemExit, Late) as error:  # noqa: BLE001 - a plugin may raise anything
                del observers[name]
                problem = f"hung at {error.place}" if isinstance(error, Late) else f"raised {error!r}"
                writer.write(Log("warning", f"plugin {name!r}: irltui_event {problem}; it watches no longer"))

    return pass_on
