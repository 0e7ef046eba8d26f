"""The generations and reference scores of each outer iteration, stored as they are finished so that none is lost.

Two append-only JSONL files per iteration: the generations, and the reference log-probabilities of their pairs. A line
torn by a crash is truncated when the file is opened again; a changed line is refused. The files of finished iterations
are compressed (`runs/checked_rows.py`) and still readable.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np

from irltui.api import Generation
from irltui.distributed import ranks
from irltui.errors import RunFolderError
from irltui.runs.checked_rows import checked_line, checked_row, line_key, pack, packed, read_packed, stored_rows
from irltui.runs.durable import writing
from irltui.runs.folder import open_own

_OF_ITERATION = re.compile(r"(\d{4,})(\.reference)?\.jsonl(\.gz)?")
_REMEDY = "Delete the file: --resume samples this iteration again, or says what it needs for that."


@dataclass(frozen=True, slots=True)
class ReferenceScore:
    """Log pi_ref of both sides of a pair, summed over the response, in nats; NaN if the reward needs no reference.

    `logp_error` and `logp_error_max` are the sum and maximum of the differences between sampler and trainer over the
    generation's tokens; None where the trainer did not score them.
    """

    prompt_id: str
    demonstration: float = math.nan
    generation: float = math.nan
    logp_error: float | None = None
    logp_error_max: float | None = None


def iteration_name(t: int) -> str:
    return f"{t:04d}"


def open_store(folder: Path, name: str) -> SampleStore:
    """The store called `name`, the same on every rank; only the first rank reads and writes the files. Collective."""
    return ranks.from_first(lambda: SampleStore(folder, name))


def pack_before(folder: Path, t: int) -> None:
    """Compress the files of iterations before t that an engine, killed after their end, left uncompressed."""
    for path in sorted(folder.glob("*.jsonl")):
        found = _OF_ITERATION.fullmatch(path.name)
        if found and int(found[1]) < t:
            _pack(path)


def set_aside_after(folder: Path, t: int) -> None:
    """Rename the files of the iterations after t: the weights that sampled them are gone, so they are sampled again."""
    for path in sorted(folder.iterdir()):
        found = _OF_ITERATION.fullmatch(path.name)
        if found and int(found[1]) > t:
            try:
                path.replace(path.with_name(f"{path.name}.void"))
            except OSError as error:
                raise RunFolderError(f"{path}: cannot be renamed: {error}", "Check its permissions.") from error


def set_aside_damaged(folder: Path) -> list[str]:
    """Rename damaged files that belong to no iteration, such as what pi_0 said: they are sampled again.

    Returns:
        What was wrong with each.
    """
    found = []
    for path in sorted(folder.glob("*.jsonl")):
        if _OF_ITERATION.fullmatch(path.name):
            continue
        try:
            for _ in stored_rows(path):
                pass
        except ValueError as error:
            found.append(f"samples/{path.name}: {error}: sampled again")
            path.replace(path.with_name(f"{path.name}.void"))
        except OSError as error:
            raise RunFolderError(f"{path}: cannot be read: {error}", "Is the disk in order?") from error
    return found


def pack_iteration(folder: Path, t: int) -> None:
    """Compress the files of iteration t, which is over."""
    for kind in ("", ".reference"):
        path = folder / f"{iteration_name(t)}{kind}.jsonl"
        if path.exists():
            _pack(path)


def _pack(path: Path) -> None:
    try:
        with writing(packed(path)):
            pack(path)
    except ValueError as error:
        raise RunFolderError(f"{packed(path)}: damaged: {error}", _REMEDY) from error


class SampleStore:
    """The two files called `name` in `folder`; token log-probabilities are stored as the shortest float32 decimals.

    Raises:
        RunFolderError: a complete line is damaged, or the disk refuses.
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
        """Append those that are not stored yet, with their decoded text for readers."""
        rows = []
        for generation, text in zip(generations, texts, strict=True):
            if generation.prompt_id not in self.generations:
                digits = _shortest(generation.logprobs)
                self.generations[generation.prompt_id] = replace(generation, logprobs=_float32(digits))
                rows.append({**asdict(generation), "logprobs": digits, "text": text})
        _append(self._generations_file, rows)

    def add_reference(self, scores: Iterable[ReferenceScore]) -> None:
        rows = []
        for score in scores:
            self.reference[score.prompt_id] = score
            rows.append({name: value for name, value in asdict(score).items() if value == value})  # JSON has no NaN
        _append(self._reference_file, rows)


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows or not ranks.is_first():
        return
    content = b"".join(checked_line(row, line_key(path)) for row in rows)
    with writing(path), os.fdopen(open_own(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), "ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _generation(row: Mapping[str, Any]) -> Generation:
    return Generation(str(row["prompt_id"]), tuple(row["tokens"]), _float32(row["logprobs"]), bool(row["ended"]))


def _reference_score(row: Mapping[str, Any]) -> ReferenceScore:
    """Read the known fields; a newer irltui may have stored more."""
    sides = (float(row.get(name, math.nan)) for name in ("demonstration", "generation"))
    errors = (row.get(name) for name in ("logp_error", "logp_error_max"))
    return ReferenceScore(str(row["prompt_id"]), *sides, *(None if error is None else float(error) for error in errors))


def _shortest(values: Sequence[float]) -> list[float]:
    """The shortest decimals that round to the same float32 values."""
    return [float(str(value)) for value in np.asarray(values, np.float32)]


def _float32(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(np.asarray(values, np.float32).tolist())


T = TypeVar("T")


def _read(path: Path, made: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """`made` of each complete line, compressed or not; a torn last line is truncated."""
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

    with writing(path, "Check the folder's owner and permissions."):
        descriptor = open_own(path, os.O_RDWR)
    with os.fdopen(descriptor, "rb+") as file:
        yield from _rows(path, lines(file), made)
        file.truncate(whole)


def _rows(path: Path, lines: Iterable[bytes], made: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    number = 0
    try:
        for number, line in enumerate(lines, start=1):  # noqa: B007 - used in the error
            yield made(checked_row(line, line_key(path)))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunFolderError(f"{path}:{number}: damaged: {error}", _REMEDY) from error
    except OSError as error:
        raise RunFolderError(f"{path}: cannot be read: {error}", "Check the disk.") from error
