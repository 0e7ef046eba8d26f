"""Shared by `irltui score`, `sample` and `triage`: choose the run and its rows, run the worker, show the result."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from irltui.cli.worker import work
from irltui.config.layers import Layer, set_layers, value_layer
from irltui.config.load import load_layers
from irltui.config.paths import localise
from irltui.config.requests import OnRows, ScoreRequest
from irltui.config.run_source import target_layers
from irltui.config.toml import split_key
from irltui.console import out, out_json
from irltui.errors import EXIT_OK, ConfigError, RunFolderError
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.manifest import read_manifest
from irltui.runs.status import WORKING, read_status
from irltui.text import safe

_DATA = ("columns", "split", "subset", "limit", "max_prompt_tokens", "max_response_tokens", "overlong")
DECODING = "decoding"
_Asked = TypeVar("_Asked", bound=OnRows)
_OTHER_SOURCE = {"split": "train", "subset": "auto", "limit": "all"}
"""A run's options for its own source do not apply to another."""


def work_on(request: OnRows, view: Callable[[Path], Any]) -> int:
    """Run the worker and print its result, as JSON if `view` gives no text; returns the exit code."""
    code = work(request)
    if code == EXIT_OK:
        shown = view(request.out)
        (out if isinstance(shown, str) else out_json)(shown)
    return code


def finished_run(path: Path) -> RunFolder:
    """A run that has a result."""
    run = open_run_folder(path)
    read_manifest(run)  # report a damaged one before any work
    if not run.model.is_dir():
        state = read_status(run).state
        works = state in WORKING
        raise RunFolderError(
            f"{safe(path)}: has no result yet: the run is {state}",
            "Wait until it finishes." if works else f"Finish it: irltui run --resume {safe(path)}",
        )
    return run


def request_on(
    kind: type[_Asked], run: RunFolder, source: str, assignments: Sequence[str] | None, out: Path | None, **options: Any
) -> _Asked:
    """A request to apply what a run learned to the rows of `source`.

    They are read as the run read its own, overridden by `--set`; the output is named after the data by default.
    """
    given = _checked(assignments or (), _DATA if kind is ScoreRequest else (*_DATA, DECODING))
    own = read_manifest(run).config["data"]["source"]
    layers = [value_layer("--data", ("data", "source"), source)]
    layers += [value_layer("another source", ("data", "limit"), "all")]
    if own not in {source, str(Path(source).expanduser().absolute())}:
        layers += [value_layer("another source", ("data", key), value) for key, value in _OTHER_SOURCE.items()]
    loaded = localise(load_layers([*target_layers(str(run.manifest)), *layers, *given]))
    named = any("columns" in layer.values.get("data", {}) for layer in given)
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", Path(source).stem).strip(".-") or "data"
    return kind(
        run=run.path,
        values=loaded.config.model_dump(mode="json"),
        named=named,
        out=out or run.applied / f"{kind.command()}-{stem}.jsonl",
        **options,
    )


def _checked(assignments: Sequence[str], allowed: Sequence[str]) -> list[Layer]:
    """The `--set` assignments, which may change how data is read and answers are sampled."""
    for assignment in assignments:
        keys = split_key(assignment.partition("=")[0]) or ("",)
        settable = keys[0] == DECODING and DECODING in allowed
        if not settable and not (keys[0] == "data" and len(keys) > 1 and keys[1] in allowed):
            known = ", ".join(key if key == DECODING else f"data.{key}" for key in allowed)
            raise ConfigError(f"--set {safe(assignment, limit=120)}: fixed by the run", f"Allowed here: {known}.")
    return set_layers(assignments)
