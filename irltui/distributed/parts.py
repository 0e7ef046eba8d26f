"""Tensors in files of their own for each rank's part, in the safetensors format of torch.distributed.checkpoint.

Whoever reads takes what it needs from the files of any number of ranks, and no rank ever holds more than its part.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from irltui.distributed import ranks

_FORMAT = {"format": "pt", "DCP_VERSION": "1.0"}
_OFFSETS, _OF_A_TENSOR = "DCP_SHARDING_INFO", "saved_offsets"


@dataclass(frozen=True)
class Parts:
    """This rank's parts of tensors, on the CPU, and where each begins in the whole."""

    tensors: dict[str, Tensor]
    offsets: dict[str, list[int]]

    def save(self, folder: Path) -> Path:
        """Write them into a folder that all ranks share, and return the file."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / f"{ranks.index():05d}.safetensors"
        begins = {name: {_OF_A_TENSOR: begin} for name, begin in self.offsets.items()}
        save_file(self.tensors, file, {**_FORMAT, _OFFSETS: json.dumps(begins)})
        return file


def parts_of(tensors: Mapping[str, Any], *, copy: bool) -> Parts:
    """This rank's parts of sharded tensors.

    Args:
        tensors: by name.
        copy: they may change before the parts are written.
    """
    mine: dict[str, Tensor] = {}
    offsets: dict[str, list[int]] = {}
    for name, tensor in tensors.items():
        (chunk,) = tensor.__create_chunk_list__()  # what torch.distributed.checkpoint asks of tensors
        if all(chunk.sizes):  # a rank has none of a tensor with fewer rows than ranks
            mine[name] = ranks.on_cpu(ranks.local(tensor), copy=copy)
            offsets[name] = list(chunk.offsets)
    return Parts(mine, offsets)


def stored_shapes(folder: Path) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shape and type of each tensor whose parts are stored in a folder; nothing if there is none."""
    if not folder.is_dir():
        return {}
    found = _reader(folder).read_metadata().state_dict_metadata
    return {name: (about.size, about.properties.dtype) for name, about in found.items()}


def read_parts(folder: Path, tensors: Mapping[str, Tensor]) -> None:
    """Fill tensors from a folder of parts: of one that is sharded, this rank's shard alone is read.

    Not collective.

    Args:
        folder: it holds all of them.
        tensors: of the shapes that were stored; changed in place.
    """
    from torch.distributed.checkpoint import load  # slow to import, and few need it

    if not tensors:
        return
    # Views that need no gradient, since what is read is written into them.
    wanted: dict[str, Any] = {name: tensor.detach() for name, tensor in tensors.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that one process reads alone, which is what is wanted
        load(wanted, storage_reader=_reader(folder), no_dist=True)


def _reader(folder: Path) -> Any:
    from torch.distributed.checkpoint import HuggingFaceStorageReader

    logging.getLogger("torch.distributed.checkpoint").setLevel(logging.ERROR)
    return HuggingFaceStorageReader(str(folder))
