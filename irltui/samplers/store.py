"""What an outer iteration has drawn and scored, on disk as it is finished, so that nothing is drawn twice.

Two append-only JSONL files an iteration: the generations, and the reference log-probabilities of their pairs.
A line that a crash tore is cut off when the file is opened again; one that has changed is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

from irltui import ranks
from irltui.api import Generation
from irltui.errors import RunFolderError
from irltui.runs.lines import checked_line, checked_row


@dataclass(frozen=True, slots=True)
class ReferenceScore:
    """Log pi_ref of both sides of a pair, summed over the response, in nats.

    `logp_error` and `logp_error_max`: sum and largest of the differences between sampler and trainer over the
    generation's tokens, None where the trainer did not score them.
    """

    prompt_id: str
    demonstration: float
    generation: float
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


class SampleStore:
    """The two files called `name` in `folder`.

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
        for score in _read(self._reference_file, lambda row: ReferenceScore(**row)):
            self.reference[score.prompt_id] = score

    def add_generations(self, generations: Iterable[Generation], texts: Iterable[str]) -> None:
        """Append those that are not there yet, with their decoded text for readers."""
        rows = []
        for generation, text in zip(generations, texts, strict=True):
            if generation.prompt_id not in self.generations:
                self.generations[generation.prompt_id] = generation
                rows.append({**asdict(generation), "text": text})
        _append(self._generations_file, rows)

    def add_reference(self, scores: Iterable[ReferenceScore]) -> None:
        """Append reference scores."""
        rows = []
        for score in scores:
            self.reference[score.prompt_id] = score
            rows.append(asdict(score))
        _append(self._reference_file, rows)


def _append(path: Path, rows: list[dict[str, Any]]) -> None:
    if not rows or not ranks.is_first():
        return
    content = b"".join(map(checked_line, rows))
    try:
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be written: {error}", "Make room, then continue with --resume."
        ) from error


def _generation(row: Mapping[str, Any]) -> Generation:
    return Generation(str(row["prompt_id"]), tuple(row["tokens"]), tuple(row["logprobs"]), bool(row["ended"]))


T = TypeVar("T")


def _read(path: Path, made: Callable[[dict[str, Any]], T]) -> Iterator[T]:
    """What `made` makes of each whole line; a torn last one is cut off."""
    if not path.exists():
        return
    whole = 0
    with _opened(path) as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                break
            try:
                yield made(checked_row(line))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise RunFolderError(
                    f"{path}:{number}: damaged: {error}",
                    "Delete the file: --resume draws this iteration again.",
                ) from error
            whole += len(line)
        file.truncate(whole)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb+")
    except OSError as error:
        raise RunFolderError(
            f"{path}: cannot be opened for writing: {error}", "Is the folder read-only, or somebody else's?"
        ) from error
