"""What a model card shows: a run up to the exported checkpoint, without traces of the machine it ran on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irltui.runs.folder import RunFolder, is_run, open_run_folder
from irltui.runs.history import RunHistory
from irltui.runs.manifest import Manifest, read_manifest
from irltui.runs.reader import each_event
from irltui.runs.status import read_status
from irltui.text import safe
from irltui.views.flat_config import setting
from irltui.views.loaded_runs import ComparedRun
from irltui.views.portable import portable

_DEEPEST = 20  # runs on runs
_MARKUP = re.compile(r"[&<>\\`*_\[\]|~#!$]|(?<=https):(?=//)|(?<=http):(?=//)|(?<=www)[.]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)


@dataclass(frozen=True)
class Exported:
    """What was exported: a checkpoint and its step counts, or ("", None, None) for the result."""

    checkpoint: str = ""
    outer_iterations: int | None = None
    step: int | None = None
    is_best: bool = False


@dataclass(frozen=True)
class Facts:
    """Everything that the card shows; `base` is a hub name, or "" with `base_folder` a local folder's name."""

    run: ComparedRun
    manifest: Manifest
    exported: Exported
    base: str
    base_folder: str
    folder: Path

    @property
    def method(self) -> str:
        """The algorithm: sft, spin, irft or rft."""
        algorithm = str(self.run.config.get("algorithm", "irft"))
        return "spin" if algorithm == "irft" and self.at("loop", "outer_iterations") == 1 else algorithm

    @property
    def is_adapter(self) -> bool:
        return (self.folder / "adapter_config.json").is_file()

    @property
    def base_name(self) -> str:
        return self.base or self.base_folder

    def at(self, table: str, key: str) -> Any:
        """A value of the run's configuration, "?" if absent."""
        return setting(self.run.config, table, key)


def facts(folder: Path, run: RunFolder, exported: Exported) -> Facts:
    manifest = read_manifest(run)
    config = portable(manifest.config)
    loaded = ComparedRun(run.path.name, run, config, _history(run, exported.step), str(read_status(run).state))
    base, base_folder = _base(manifest.config)
    return Facts(loaded, manifest, exported, base, base_folder, folder)


def _history(run: RunFolder, step: int | None) -> RunHistory:
    """The run's events up to `step`."""
    history = RunHistory()
    history.take(event for event in each_event(run.events) if step is None or getattr(event, "step", 0) <= step)
    return history


def _base(config: Mapping[str, Any]) -> tuple[str, str]:
    """The hub name of the base model, following runs that started from runs; else the name of a folder."""
    name = str(config["model"]["name"])
    for _ in range(_DEEPEST):
        folder = Path(name).expanduser()
        folder = folder.parent if folder.name == "model" else folder  # RUN/model is also the run's result
        if not is_run(folder):
            break
        name = str(read_manifest(open_run_folder(folder)).config["model"]["name"])
    path = Path(name).expanduser()
    is_local = path.is_absolute() or path.exists()
    return ("", path.name) if is_local else (name, "")


def inline(value: object) -> str:
    """Text from a run inside a line or a cell: no markup, no new line."""
    return _MARKUP.sub(lambda found: _ENTITIES.get(found[0], f"\\{found[0]}"), safe(value, limit=300))


def code(value: object) -> str:
    """Text from a run as inline code, not for table cells."""
    shown = safe(value, limit=300).replace("`", "'")
    return f"`{shown or ' '}`"


def is_hub_name(name: str) -> bool:
    """Whether a hub may know a model or data set by this name."""
    return _HUB_NAME.fullmatch(name) is not None
