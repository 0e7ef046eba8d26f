"""What a run began with: digests of its model and of its rows, so that one that goes on notices when they are others.

Checkpoints and stored generations would fit them all the same: adapters any base, generations any row of that number.
"""

from __future__ import annotations

import json

from irltui.config.schema import RunConfig
from irltui.data.demonstrations import DemonstrationData
from irltui.distributed import ranks
from irltui.errors import DataError, ModelError, RunFolderError
from irltui.lm.initial import weights_digest
from irltui.runs.durable import replace_json
from irltui.runs.folder import RunFolder

_REMEDY = "Put it back as it was, then continue with --resume; or start a new run."


def check_inputs(run: RunFolder, config: RunConfig, data: DemonstrationData) -> None:
    """Remember a run's inputs at its first start, and compare them later. Collective.

    Raises:
        ModelError: the model has changed since the run began.
        DataError: the rows have.
        RunFolderError: they cannot be remembered.
    """
    ranks.from_first(lambda: _check(run, config, data))


def _check(run: RunFolder, config: RunConfig, data: DemonstrationData) -> None:
    found = {"model": weights_digest(config.model), "data": data.digest}
    known = _known(run)
    if _differ(known, found, "model"):
        raise ModelError(f"model.name: {config.model.name}: its weights have changed since the run began", _REMEDY)
    if _differ(known, found, "data"):
        raise DataError(f"data.source: {config.data.source}: the rows have changed since the run began", _REMEDY)
    if {**found, **known} == known:
        return
    try:
        replace_json(run.inputs, {**found, **known})
    except OSError as error:
        raise RunFolderError(f"{run.inputs}: cannot be written: {error}", "Make room, then try again.") from error


def _differ(known: dict[str, str], found: dict[str, str], name: str) -> bool:
    """Whether both are known, and not the same."""
    return bool(known.get(name) and found[name]) and known[name] != found[name]


def _known(run: RunFolder) -> dict[str, str]:
    """What was remembered; nothing if that is damaged."""
    try:
        value = json.loads(run.inputs.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in value.items() if v} if isinstance(value, dict) else {}
