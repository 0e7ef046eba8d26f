"""What names of a configuration stand for."""

from __future__ import annotations

from pathlib import Path

from irltui import quickstart
from irltui.runs.folder import RunFolder, is_run


def model_folder(name: str) -> str:
    """What `from_pretrained` is given for a model as `model.name` names it: a run's folder stands for its result."""
    if name in quickstart.MODELS:
        return str(quickstart.MODELS[name])
    return str(RunFolder(Path(name)).model) if is_run(Path(name)) else name
