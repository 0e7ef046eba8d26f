"""What a run began with: digests of its model and of its rows, so that one that goes on notices when they are others;
and the precision that was chosen, which stays.

Checkpoints and stored generations would fit them all the same: adapters any base, generations any row of that number.
"""

from __future__ import annotations

import hashlib
import json

from irltui import __version__
from irltui.config.schema import RunConfig
from irltui.data.demonstrations import DemonstrationData
from irltui.distributed import ranks
from irltui.errors import DataError, IrltuiError, ModelError, RunFolderError
from irltui.lm.initial import weights_digest
from irltui.runs.folder import RunFolder
from irltui.runs.inputs import read_inputs, write_inputs

_REMEDY = "Restore it, then continue with --resume; or start a new run."
_SHARED = {
    "data": ("data.source", "other rows", DataError),
    "model": ("model.name", "other weights", ModelError),
    "configuration": ("run.json", "another configuration", RunFolderError),
    "version": ("irltui", "another version of irltui", IrltuiError),
}
"""What all ranks must agree on: where it is said, what one that differs sees, and the error."""


def with_chosen_precision(run: RunFolder, config: RunConfig) -> RunConfig:
    """The configuration with the precision that the run began with, whatever this machine would choose."""
    chosen = read_inputs(run).get("precision")
    if chosen not in {"float32", "bfloat16"}:
        return config
    return config.model_copy(update={"model": config.model.model_copy(update={"precision": chosen})})


def check_inputs(run: RunFolder, config: RunConfig, data: DemonstrationData, precision: str) -> None:
    """Remember a run's inputs at its first start, compare them later, and with what the other ranks see. Collective.

    Raises:
        ModelError: the model has changed since the run began, or is another one on some rank.
        DataError: the rows have changed, or are others on some rank.
        RunFolderError: the inputs cannot be remembered or read, or a rank has another configuration.
    """
    found = {"model": weights_digest(config.model), "data": data.digest}
    text = json.dumps(config.model_dump(mode="json"), sort_keys=True)
    shared = {"configuration": hashlib.sha256(text.encode()).hexdigest(), "version": __version__}
    _require_agreement(found | shared)
    ranks.from_first(lambda: _check(run, config, {**found, "precision": precision}))


def _require_agreement(mine: dict[str, str]) -> None:
    """Refuse ranks that see different things: they would train on a mixture."""
    everyone = ranks.gather([mine])
    for name, (place, what, error) in _SHARED.items():
        for rank, other in enumerate(everyone):
            if other[name] != everyone[0][name]:
                raise error(
                    f"{place}: rank {rank} sees {what} than rank 0, so the processes do not train together",
                    "Give all processes the same files and packages; one node may have an outdated copy.",
                )


def _check(run: RunFolder, config: RunConfig, found: dict[str, str]) -> None:
    known = read_inputs(run)
    changed = {name for name, value in found.items() if value and known.get(name, "") not in ("", value)}
    if "model" in changed:
        raise ModelError(f"model.name: {config.model.name}: its weights have changed since the run began", _REMEDY)
    if "data" in changed:
        raise DataError(f"data.source: {config.data.source}: the rows have changed since the run began", _REMEDY)
    together = {**found, **{name: value for name, value in known.items() if value}}
    if together != known:
        write_inputs(run, together)
