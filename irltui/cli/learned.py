"""`irltui score`, `sample` and `triage`: what to work on, let it be worked on, and show what came of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from irltui.cli.learned_view import sample_view, score_view, triage_view
from irltui.cli.worker import work
from irltui.config.layers import Layer, set_layers, value_layer
from irltui.config.lines import split_key
from irltui.config.load import load_layers
from irltui.config.paths import localise
from irltui.config.run_source import target_layers
from irltui.console import out, out_json
from irltui.errors import EXIT_OK, ConfigError, RunFolderError
from irltui.runs.folder import RunFolder, open_run_folder
from irltui.runs.manifest import read_manifest
from irltui.runs.status import State, read_status
from irltui.text import safe

_DATA = ("columns", "split", "subset", "limit", "max_prompt_tokens", "max_response_tokens", "overlong")
_DRAWN = "decoding"
_OTHER_SOURCE = {"split": "train", "subset": "auto", "limit": "all"}
"""What a run says of its own source does not hold for another."""


@dataclass(frozen=True)
class Common:
    """What all three commands are asked: the run, the file to write ("" is one in the run's folder), how."""

    run: Path
    out: Path | None
    batch: int
    overwrite: bool
    as_json: bool


def score(common: Common, data: str, assignments: Sequence[str], *, tokens: bool, rank: bool, best: bool) -> int:
    """Score data and tell what the rewards are like; the exit code.

    Raises:
        IrltuiError: there is no such run or reward, or the options cannot be used.
    """
    run = _finished(common.run, needs_reward=True)
    path = common.out or _place(run, "score", data)
    options = {"tokens": tokens, "rank": rank, "best": best}
    code = work("score", **_request(run, common, path, data, assignments, _DATA), **options)
    if code == EXIT_OK:
        _show(common, score_view(path, as_json=common.as_json))
    return code


def sample(common: Common, prompts: str, assignments: Sequence[str], *, count: int, seed: int) -> int:
    """Answer prompts and tell what choosing gained; the exit code.

    Raises:
        IrltuiError: there is no such run, no reward to choose by, or the options cannot be used.
    """
    run = _finished(common.run, needs_reward=count > 1)
    path = common.out or _place(run, "sample", prompts)
    request = _request(run, common, path, prompts, assignments, (*_DATA, _DRAWN))
    code = work("sample", **request, count=count, seed=seed)
    if code == EXIT_OK:
        _show(common, sample_view(path, as_json=common.as_json))
    return code


def triage(common: Common, limit: int) -> int:
    """Order the run's demonstrations and show the most suspicious; the exit code.

    Raises:
        IrltuiError: there is no such run or reward.
    """
    run = _finished(common.run, needs_reward=True)
    path = common.out or run.applied / "triage.jsonl"
    code = work("triage", **_options(run, common, path), values=dict(read_manifest(run).config))
    if code == EXIT_OK:
        _show(common, triage_view(path, limit, as_json=common.as_json))
    return code


def _show(common: Common, shown: Any) -> None:
    if common.as_json:
        out_json(shown)
    else:
        out(shown)


def _finished(path: Path, *, needs_reward: bool) -> RunFolder:
    run = open_run_folder(path)
    algorithm = read_manifest(run).config.get("algorithm")
    if needs_reward and algorithm == "sft":
        raise RunFolderError(f"{safe(path)}: its algorithm 'sft' learned no reward", "Take a run of irft, spin or rft.")
    if not run.model.is_dir():
        state = read_status(run).state
        works = state in {State.STARTING, State.RUNNING, State.PAUSED}
        raise RunFolderError(
            f"{safe(path)}: has no result yet: the run is {state}",
            "Wait for its end." if works else f"Finish it: irltui run --resume {safe(path)}",
        )
    return run


def _request(
    run: RunFolder, common: Common, path: Path, source: str, assignments: Sequence[str], allowed: Sequence[str]
) -> dict[str, Any]:
    """The options of `irltui.use` on other data than the run's, which is read as the run's was."""
    given = _checked(assignments, allowed)
    own = read_manifest(run).config["data"]["source"]
    layers = [value_layer("--data", ("data", "source"), source)]
    layers += [value_layer("another source", ("data", "limit"), "all")]
    if own not in {source, str(Path(source).expanduser().absolute())}:
        layers += [value_layer("another source", ("data", key), value) for key, value in _OTHER_SOURCE.items()]
    loaded = localise(load_layers([*target_layers(str(run.manifest)), *layers, *given]))
    named = any("columns" in layer.values.get("data", {}) for layer in given)
    return {**_options(run, common, path), "values": loaded.config.model_dump(mode="json"), "named": named}


def _options(run: RunFolder, common: Common, path: Path) -> dict[str, Any]:
    return {"run": str(run.path), "out": str(path), "batch": common.batch, "overwrite": common.overwrite}


def _checked(assignments: Sequence[str], allowed: Sequence[str]) -> list[Layer]:
    """What `--set` says, if it is about reading data or drawing answers.

    Raises:
        ConfigError: it is about something that the run has settled.
    """
    for assignment in assignments:
        keys = split_key(assignment.partition("=")[0]) or ("",)
        settable = keys[0] == _DRAWN and _DRAWN in allowed
        if not settable and not (keys[0] == "data" and len(keys) > 1 and keys[1] in allowed):
            known = ", ".join(key if key == _DRAWN else f"data.{key}" for key in allowed)
            raise ConfigError(f"--set {safe(assignment, limit=120)}: the run has settled that", f"Here: {known}.")
    return set_layers(assignments)


def _place(run: RunFolder, command: str, source: str) -> Path:
    """A file in the run's folder, called after the data."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", Path(source).stem).strip(".-") or "data"
    return run.applied / f"{command}-{stem}.jsonl"
