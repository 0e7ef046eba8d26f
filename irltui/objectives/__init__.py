"""Objectives, each what a run minimises over its demonstrations; registered through the hook that plugins use."""

from __future__ import annotations

from irltui.api import ObjectiveSpec, hookimpl
from irltui.objectives.gap import Irft, Rft
from irltui.objectives.sft import Sft


@hookimpl
def irltui_objectives() -> dict[str, type[ObjectiveSpec]]:
    """Objectives by name."""
    return {"sft": Sft, "irft": Irft, "rft": Rft}
