"""Objectives, each what a run minimises over its demonstrations; registered through the hook that plugins use."""

from __future__ import annotations

from irltui.api import ObjectiveSpec, hookimpl
from irltui.objectives.dft import Dft
from irltui.objectives.distill import Distill
from irltui.objectives.few import Few
from irltui.objectives.gap import Irft, Rft
from irltui.objectives.nce import Nce
from irltui.objectives.sft import Sft


@hookimpl
def irltui_objectives() -> dict[str, type[ObjectiveSpec]]:
    return {"sft": Sft, "dft": Dft, "irft": Irft, "nce": Nce, "few": Few, "rft": Rft, "distill": Distill}
