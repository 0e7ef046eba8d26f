"""What `irltui score`, `sample` and `triage` have in common: the run, the rows, the work, and what is shown of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from irltui.cli.worker import work
from irltui.config.layers import Layer, set_layers, value_layer
from irltui.config.lines import split_key
from irltui.config.load import load_layers
from irltui.config.paths import localise
from irltui.config.requests import OnRows
from irltui.config.run_source import target_layers
from irltui.console import out, out_json
from irltui.errors import EXIT_OK, ConfigError, RunFolderError
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.manifest import read_manifest
from irltui.runs.status import WORKING, read_status
from irltui.text import safe

DATA = ("columns", "split", "subset", "limit", "max_prompt_tokens", "max_response_tokens", "overlong")
DECODING = "decoding"
_OTHER_SOURCE = {"split": "train", "subset": "auto", "limit": "all"}
"""What a run says of its own source does not hold for another."""


def work_on(request: OnRows, view: Callable[[Path], Any], *, as_json: bool) -> int:
    """Let the work be done, and show what came of it; the exit code."""
    code = work(request)
    if code == EXIT_OK:
        shown = view(request.out)
        (out_json if as_json else out)(shown)
    return code


def finished_run(path: Path) -> RunFolder:
    """A run that has a result.

    Raises:
        NoRunError: there is no run.
        RunFolderError: it has no result yet.
    """
    run = open_run_folder(path)
    read_manifest(run)  # a damaged one is better reported here
    if not run.model.is_dir():
        state = read_status(run).state
        works = state in WORKING
        raise RunFolderError(
            f"{safe(path)}: has no result yet: the run is {state}",
            "Wait for its end." if works else f"Finish it: irltui run --resume {safe(path)}",
        )
    return run


def reading(run: RunFolder, source: str, assignments: Sequence[str], allowed: Sequence[str]) -> dict[str, Any]:
    """Which rows are meant: data other than the run's is read as the run's was, unless `--set` says another way.

    Raises:
        ConfigError: an assignment is about something that the run has settled, or has problems.
    """
    given = _checked(assignments, allowed)
    own = read_manifest(run).config["data"]["source"]
    layers = [value_layer("--data", ("data", "source"), source)]
    layers += [value_layer("another source", ("data", "limit"), "all")]
    if own not in {source, str(Path(source).expanduser().absolute())}:
        layers += [value_layer("another source", ("data", key), value) for key, value in _OTHER_SOURCE.items()]
    loaded = localise(load_layers([*target_layers(str(run.manifest)), *layers, *given]))
    named = any("columns" in layer.values.get("data", {}) for layer in given)
    return {"values": loaded.config.model_dump(mode="json"), "named": named}


def place(run: RunFolder, command: str, source: str) -> Path:
    """A file in the run's folder, called after the data."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", Path(source).stem).strip(".-") or "data"
    return run.applied / f"{command}-{stem}.jsonl"


def _checked(assignments: Sequence[str], allowed: Sequence[str]) -> list[Layer]:
    """What `--set` says, if it is about reading data or drawing answers.

    Raises:
        ConfigError: it is about something that the run has settled.
    """
    for assignment in assignments:
        keys = split_key(assignment.partition("=")[0]) or ("",)
        settable = keys[0] == DECODING and DECODING in allowed
        if not settable and not (keys[0] == "data" and len(keys) > 1 and keys[1] in allowed):
            known = ", ".join(key if key == DECODING else f"data.{key}" for key in allowed)
            raise ConfigError(f"--set {safe(assignment, limit=120)}: the run has settled that", f"Here: {known}.")
    return set_layers(assignments)
