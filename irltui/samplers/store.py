"""What an outer iteration has drawn and scored, on disk as it is finished, so that nothing is drawn twice.

Two append-only JSONL files an iteration: the generations, and the reference log-probabilities of their pairs.
A line that a crash tore is cut off when the file is opened again; one that has changed is refused. The files of
iterations that are over are compressed (`runs/packed.py`), and read as before.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from irltui.api import Generation
from irltui.distributed import ranks
from irltui.errors import RunFolderError
from irltui.runs.folder import open_own
from irltui.runs.lines import checked_line, checked_row
from irltui.runs.packed import pack, packed, read_packed

_OF_ITERATION = re.compile(r"(\d{4,})(\.reference)?\.jsonl(\.gz)?")
_REMEDY = "Delete the file: --resume draws this iteration again, or says what it needs for that."


@dataclass(frozen=True, slots=True)
class ReferenceScore:
    """Log pi_ref of both sides of a pair, summed over the response, in nats; NaN if the reward needs no reference.

    `logp_error` and `logp_error_max`: sum and largest of the differences between sampler and trainer over the
    generation's tokens, None where the trainer did not score them.
    """

    prompt_id: str
    demonstration: float = math.nan
    generation: float = math.nan
    logp_error: float | None = None
    logp_error_max: float | None = None


def iteration_name(t: int) -> str:
    """What the files of outer iteration t are called."""
    return f"{t:04d}"


def open_store(folder: Path, name: str) -> SampleStore:
    """The store called `name`, the same on every rank; the first alone reads it, and writes what is added. Collective.

    Raises:
        RunFolderError: as `SampleStore`.
    """
    return ranks.from_first(lambda: SampleStore(folder, name))


def pack_before(folder: Path, t: int) -> None:
    """Compress what is left of the iterations before t: an engine was killed between their end and this.

    Raises:
        RunFolderError: the disk refuses.
    """
    for path in sorted(folder.glob("*.jsonl")):
        found = _OF_ITERATION.fullmatch(path.name)
        if found and int(found[1]) < t:
            _pack(path)


def set_aside_after(folder: Path, t: int) -> None:
    """Rename the files of the iterations after t: the weights that sampled them are gone, so they are sampled again.

    Raises:
        RunFolderError: the disk refuses.
    """
    for path in sorted(folder.iterdir()):
        found = _OF_ITERATION.fullmatch(path.name)
        if found and int(found[1]) > t:
            try:
                path.replace(path.with_name(f"{path.name}.void"))
            except OSError as error:
                raise RunFolderError(f"{path}: cannot be renamed: {error}", "Is the folder read-only?") from error


def pack_iteration(folder: Path, t: int) -> None:
    """Compress the files of iteration t, which is over.

    Raises:
        RunFolderError: the disk refuses.
    """
    for kind in ("", ".reference"):
        path = folder / f"{iteration_name(t)}{kind}.jsonl"
        if path.exists():
            _pack(path)


def _pack(path: Path) -> None:
    try:
        pack(path)
    except OSError as error:
        raise RunFolderError(
            f"{packed(path)}: cannot be written: {error}", "Make room, then continue with --resume."
        ) from error
    except ValueError as error:
        raise RunFolderError(f"{packed(path)}: damaged: {error}", _REMEDY) from error


class SampleStore:
    """The two files called `name` in `folder`.

    Log-probabilities of tokens are kept as float32, in the fewest digits that tell it from its neighbours.

    Raises:
        RunFolderError: a whole line is damaged, or the disk refuses.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._generations_file = folder / f"{name}.jsonl"
        self._reference_file = folder / f"{name}.reference.jsonl"
        self.generations: dict[str, Generation] = {}
        self.reference: dict[str, ReferenceScore] = {}
        for generation in _read(self._generations_file, _generation):
            self.generations[generation.prompt_id] = generation
        for score in _read(self._reference_file, _reference_score):
            self.reference[score.prompt_id] = score

    def add_generations(self, generations: Iterable[Generation], texts: Iterable[str]) -> None:
        """Append those that are not there yet, with their decoded text for readers."""
        rows = []
        for generation, text in zip(generations, texts, strict=True):
            if generation.prompt_id not in self.generations:
                digits = _shortest(generation.logprobs)
                self.generations[generation.prompt_id] = replace(generation, logprobs=_float32(digits))
                rows.append({**asdict(generation), "logprobs": digits, "text": text})
        _append(self._generations_file, rows)

    def add_reference(self, scores: Iterable[ReferenceScore]) -> None:
        """Append reference scores."""
        rows = []
        for score in scores:
            self.reference[score.prompt_id] = score
            rows.append({name: value for name, value in asdict(score).items() if value == value})  # JSON has no NaN
        _append(self._reference_file, rows)


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows or not ranks.is_first():
        return
    content = b"".join(map(checked_line, rows))
    try:
        with os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be written: {error}", "Make room, then continue with --resume."
        ) from error


def _generation(row: Mapping[str, Any]) -> Generation:
    return Generation(str(row["prompt_id"]), tuple(row["tokens"]), _float32(row["logprobs"]), bool(row["ended"]))


def _reference_score(row: Mapping[str, Any]) -> ReferenceScore:
    """The fields that are known; a newer irltui may have stored more."""
    known: dict[str, Any] = {field.name: row[field.name] for field in fields(ReferenceScore) if field.name in row}
    return ReferenceScore(**known | {"prompt_id": str(row["prompt_id"])})


def _shortest(values: Sequence[float]) -> list[float]:
    """Numbers of few digits, the nearest float32 of which are those of `values`."""
    return [float(str(value)) for value in np.asarray(values, np.float32)]


def _float32(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(np.asarray(values, np.float32).tolist())


T = TypeVar("T")


def _read(path: Path, made: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """What `made` makes of each whole line, compressed or not; a torn last one is cut off."""
    if packed(path).exists():
        yield from _rows(packed(path), read_packed(packed(path)), made)
    if not path.exists():
        return
    whole = 0

    def lines(file: BinaryIO) -> Iterator[bytes]:
        nonlocal whole
        for line in file:
            if not line.endswith(b"\n"):
                return
            yield line
            whole += len(line)

    with _opened(path) as file:
        yield from _rows(path, lines(file), made)
        file.truncate(whole)


def _rows(path: Path, lines: Iterable[bytes], made: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    number = 0
    try:
        for number, line in enumerate(lines, start=1):  # noqa: B007 - told of in the error
            yield made(checked_row(line))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path}:{number}: damaged: {error}", _REMEDY) from error
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error}", "Is the disk in order?") from error


def _opened(path: Path) -> BinaryIO:
    try:
        return os.fdopen(open_own(path, os.O_RDWR), "rb+")
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be opened for writing: {error}", "Is the folder read-only, or somebody else's?"
        ) from error
