"""inputs.json: digests of a run's inputs, with a checksum that distinguishes damage from changed inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from irltui.errors import RunFolderError
from irltui.runs.durable import replace_json, writing
from irltui.runs.folder import RunFolder

_SEAL = "sha256"


def read_inputs(run: RunFolder) -> dict[str, str]:
    """The stored digests, empty if there is no file yet.

    Raises:
        RunFolderError: the file is damaged or cannot be read.
    """
    try:
        value = json.loads(run.inputs.read_text(encoding="utf-8"))
        seal = value.pop(_SEAL)
        if seal != _seal(value):
            raise ValueError("its digest does not match")
        return {str(key): str(text) for key, text in value.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(
            f"{run.inputs}: damaged: {error}",
            "Restore it from a backup, or delete it if model and rows have not changed since the run began.",
        ) from error


def write_inputs(run: RunFolder, value: Mapping[str, str]) -> None:
    with writing(run.inputs):
        replace_json(run.inputs, {**value, _SEAL: _seal(value)})


def _seal(value: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
