"""The output file of a long command: finished rows are stored beside it, and it appears complete at the end.

`F.partial` grows by groups of rows, each flushed to disk, so that after a crash the same command continues behind the
last group. `F` is written from it at the end, and `F.about.json` says what it was made from.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from tqdm import tqdm

from irltui import __version__
from irltui.config.requests import OnRows
from irltui.console import is_quiet, talk
from irltui.errors import RunFolderError
from irltui.lm.initial import weights_digest
from irltui.runs.checkpoints import newest_first
from irltui.runs.durable import replace_json, replacing
from irltui.runs.lock import try_lock
from irltui.text import masked
from irltui.use.learned import reads_start
from irltui.use.rows import Source

_REMEDY = "Choose another --out, or start over with --overwrite."
_PAUSE = 10.0  # seconds between two lines of progress without a terminal


@dataclass(frozen=True)
class Job:
    """What an output is made from; files of another job are never continued.

    `learned` and `rows` are fingerprints of the run's result and of the data, `options` is whatever else changes a row.
    """

    command: str
    run: str
    learned: str
    data: str
    rows: str
    options: Mapping[str, Any]

    def difference(self, other: Mapping[str, Any]) -> str:
        """How a stored job differs from this one; "" if it does not."""
        for name, words in (
            ("command", f"by `irltui {other.get('command')}`"),
            ("learned", f"with another run or result ({other.get('run')})"),
            ("rows", f"from other data ({other.get('data')})"),
            ("options", "with other options"),
        ):
            if other.get(name) != getattr(self, name):
                return words
        return ""


class Output(AbstractContextManager["Output"]):
    """An output file F in progress, locked by one process; files of another job are refused unless `overwrite`.

    `view` says how its rows are shown, which does not affect the stored rows.
    """

    def __init__(self, path: Path, job: Job, view: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.path, self._job, self._view = path, job, view
        self._partial, self._about = (path.with_name(path.name + end) for end in (".partial", ".about.json"))
        self._start = 0  # offset of the first row in the partial
        self.done = 0
        self.is_complete = False
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._partial.open("a+b")
            if try_lock(self._file.fileno()) is False:
                raise RunFolderError(f"{path}: another command is writing it", "Wait for it, or stop it.")
            try:
                if overwrite:
                    path.unlink(missing_ok=True)
                    self._about.unlink(missing_ok=True)
                    self._file.truncate(0)
                self._find_rows()
            except (RunFolderError, OSError):
                if self._file.seek(0, os.SEEK_END) == 0:
                    self._partial.unlink(missing_ok=True)
                self._file.close()
                raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.is_complete or not self.done:
            self._partial.unlink(missing_ok=True)
        with suppress(OSError):  # closing retries a write that a full disk refused
            self._file.close()

    def gather(
        self, work: Callable[[range], Sequence[Mapping[str, Any]]], total: int, group: int, *, verb: str, unit: str
    ) -> None:
        """Append the missing rows of `total`, one group at a time, and show progress; redo an incomplete group."""
        done, pause = self.done, 0.1 if sys.stderr.isatty() else _PAUSE
        talk(f"{total} {unit}" + (f", continuing from {unit[:-1]} {done + 1}" if done else ""))
        self.keep(done - done % group)
        times = {"mininterval": pause, "delay": pause}
        with tqdm(
            total=total, initial=done, desc=verb, unit=f" {unit}", disable=is_quiet(), leave=False, **times
        ) as bar:
            for start in range(self.done, total, group):
                self.append(work(range(start, min(start + group, total))))
                bar.update(self.done - bar.n)

    def keep(self, count: int) -> None:
        """Drop all rows after the first `count`."""
        places = [place for place, _ in islice(self.rows(), count + 1)]
        if len(places) > count:
            self._file.truncate(places[count])
            self.done = count

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, durably."""
        lines = [_line(row) for row in rows]
        with _explained(self.path):
            self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        self.done += len(lines)

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """The stored rows in order, each with its offset for `at`."""
        with self._partial.open("rb") as file:
            place = file.seek(self._start)
            for line in file:
                yield place, json.loads(line)
                place += len(line)

    def lines(self) -> Iterator[dict[str, Any]]:
        return (line for _, line in self.rows())

    def at(self, places: Iterable[int]) -> Iterator[dict[str, Any]]:
        """Rows by their offsets."""
        with self._partial.open("rb") as file:
            for place in places:
                file.seek(place)
                yield json.loads(file.readline())

    def finish(self, rows: Iterable[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
        """Write F atomically, and what it was made from."""
        about = {"irltui": __version__, **asdict(self._job), "view": dict(self._view), "summary": dict(summary)}
        with _explained(self.path), replacing(self.path) as file:
            file.writelines(map(_line, rows))
            replace_json(self._about, about)
        self.is_complete = True

    def _find_rows(self) -> None:
        """Find out what exists: all of F, some rows, or nothing. Truncates what a crash has torn."""
        if self.path.exists():
            self._check_complete()
            self.is_complete = True
            return
        self._file.seek(0)
        header = self._file.readline()
        if not header.endswith(b"\n"):
            self._file.truncate(0)
            header = _line({"irltui": __version__, **asdict(self._job)})
            self._file.write(header)
            self._file.flush()
        else:
            self._check_partial(header)
        self._start = end = len(header)
        self._file.seek(end)
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            self.done += 1
        self._file.truncate(end)

    def _check_complete(self) -> None:
        try:
            about = json.loads(self._about.read_text(encoding="utf-8"))
            difference = self._job.difference(about) or "with other options" * (about.get("view") != dict(self._view))
        except (OSError, ValueError, AttributeError):
            raise RunFolderError(f"{self.path}: exists, and irltui did not write it", _REMEDY) from None
        if difference:
            raise RunFolderError(f"{self.path}: exists, and was made {difference}", _REMEDY)

    def _check_partial(self, header: bytes) -> None:
        try:
            difference = self._job.difference(json.loads(header))
        except (ValueError, AttributeError):
            raise RunFolderError(f"{self._partial}: damaged", _REMEDY) from None
        if difference:
            raise RunFolderError(f"{self._partial}: was started {difference}", _REMEDY)


def output_of(asked: OnRows, source: Source, options: Mapping[str, Any], view: Mapping[str, Any]) -> Output:
    """The output file of a command; `options` change its rows, `view` only how they are shown."""
    kept = {"template", "system", "max_prompt_tokens", "max_response_tokens", "overlong", "columns"}
    job = Job(
        asked.command(),
        str(asked.folder.path.resolve()),
        _result(asked),
        masked(asked.config.data.source),
        _digest(json.dumps(row, default=str).encode() + b"\n" for row in source.rows),
        {"data": asked.config.data.model_dump(mode="json", include=kept), **options},
    )
    return Output(asked.out, job, view, overwrite=asked.overwrite)


def _result(asked: OnRows) -> str:
    """A digest of what rewards and answers depend on: the run, its newest weights, and pi_0 if needed."""
    run, config = asked.folder, asked.config
    parts = [run.manifest.read_bytes()]
    with suppress(OSError, IndexError):  # the checkpoints of a finished run may have been deleted
        newest = newest_first(run)[0]
        parts.append((run.checkpoints / newest / "manifest.json").read_bytes())  # has the digest of every file
    if reads_start(config) or asked.is_guided:
        parts.append(weights_digest(config.model).encode())
    return _digest(parts)


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=12)
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """Turn an OSError into an error that names the file."""
    try:
        yield
    except OSError as error:
        hint = "Make room or choose another --out: the same command continues after the last stored row."
        raise RunFolderError(f"{path}: cannot be written: {error}", hint) from error


def _line(row: Mapping[str, Any]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
