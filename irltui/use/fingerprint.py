"""Short digests that tell one run's result, or one source of rows, from another. They are no protection."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from irltui.config.schema import RunConfig
from irltui.errors import ModelError
from irltui.lm.load import model_source
from irltui.runs.folder import RunFolder

_BLOCKS, _BLOCK = 64, 1 << 16
_SIZE = 12


def of_learned(run: RunFolder, config: RunConfig) -> str:
    """Of all that a score follows from: model, reward, and the model that the run began with."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    folders = [run.model, run.reward]
    if config.reward.implicit:
        folders += _initial(config)
    for folder in folders:
        for file in sorted(folder.glob("*")) if folder.is_dir() else []:
            if file.suffix in {".safetensors", ".json"}:
                digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
                for block in _sample(file):
                    digest.update(block)
    digest.update(json.dumps([config.algorithm, config.reward.model_dump(mode="json"), config.loss.kind]).encode())
    return digest.hexdigest()


def of_rows(rows: Iterable[Mapping[str, Any]]) -> str:
    """Of rows in their order."""
    digest = hashlib.blake2b(digest_size=_SIZE)
    for row in rows:
        digest.update(json.dumps(row, default=str).encode() + b"\n")
    return digest.hexdigest()


def _initial(config: RunConfig) -> list[Path]:
    try:
        return [Path(model_source(config.model))]
    except ModelError:  # told when it is loaded
        return []


def _sample(file: Path) -> Iterable[bytes]:
    """Blocks spread evenly over a file, all of it if it is small: weights of many gigabytes are told apart at once."""
    size = file.stat().st_size
    step = max(_BLOCK, size // _BLOCKS)
    with file.open("rb") as opened:
        for place in range(0, size, step):
            opened.seek(place)
            yield opened.read(_BLOCK)
