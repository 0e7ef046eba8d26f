"""The contract of an observer."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from irltui.runs.event_lines import encode
from irltui.runs.events import Alert, Log, Metrics, RunEnd

_EVENTS = (
    Log("info", "continuing from checkpoint 0001-000000"),
    Metrics({"reward/gap": 0.5}, 3, 0, 3, 120, 1.5),
    Alert(3, "warning", "overshoot", "Overshoot: reward gap 15.4."),
    RunEnd("finished", "", "", 0),
)


def observer_problem(observe: Callable[..., Any]) -> str:
    """What an observer does wrong with one of a few events, "" if nothing."""
    for line in map(encode, _EVENTS):
        event, given = json.loads(line), json.loads(line)
        try:
            observe(event=given, run=Path("run"))
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            return f"it raises {type(error).__name__}: {error} at the event {event['kind']}"
        if given != event:
            return f"it changes the event {event['kind']}, which other observers are given, too"
    return ""
