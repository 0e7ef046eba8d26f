"""The file of a command that works for long: rows are gathered beside it as they are done, the file appears whole.

`F.partial` grows by whole groups of rows, each flushed to disk, so that a killed command loses one group and the
same command goes on behind the last one. `F` is made of it at the end, `F.about.json` says what it was made from.
Knows lines, not what stands in them.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from irltui import __version__
from irltui.errors import RunFolderError
from irltui.runs.durable import replace_json, sync_folder

_GOES_ON = "the same command continues after the last row that was stored."
_REMEDY = "Choose another --out, or begin anew with --overwrite."


@dataclass(frozen=True)
class Job:
    """What an output is made of; files of another job are never continued.

    `learned` and `rows` are fingerprints of the run's result and of the data, `options` is whatever else changes a row.
    """

    command: str
    run: str
    learned: str
    data: str
    rows: str
    options: Mapping[str, Any]

    def difference(self, other: Mapping[str, Any]) -> str:
        """In what a job that a file tells of is not this one; "" if it is."""
        for name, words in (
            ("command", f"by `irltui {other.get('command')}`"),
            ("learned", f"with another run or result ({other.get('run')})"),
            ("rows", f"from other data ({other.get('data')})"),
            ("options", "with other options"),
        ):
            if other.get(name) != getattr(self, name):
                return words
        return ""


class Output:
    """An output file that is being made, held by one process.

    Args:
        path: F.
        job: what it is made of.
        view: how its rows are shown; it does not change what is gathered.
        overwrite: begin anew, whatever is there.

    Raises:
        RunFolderError: F or its partial is somebody else's, in use, or cannot be written.
    """

    def __init__(self, path: Path, job: Job, view: Mapping[str, Any], *, overwrite: bool = False) -> None:
        self.path, self._job, self._view = path, job, view
        self._partial, self._about = (path.with_name(path.name + end) for end in (".partial", ".about.json"))
        self._start = 0  # where the first row begins in the partial
        self.done = 0
        self.is_complete = False
        with _explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = self._partial.open("a+b")
            self._lock()
            try:
                if overwrite:
                    self._clear()
                self._take_up()
            except (RunFolderError, OSError):
                self._leave()
                raise

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.is_complete or not self.done:
            self._partial.unlink(missing_ok=True)
        with suppress(OSError):  # closing tries again to write what a full disk refused
            self._file.close()

    def keep(self, count: int) -> None:
        """Forget the rows behind the first `count`."""
        places = [place for place, _ in islice(self.rows(), count + 1)]
        if len(places) > count:
            self._file.truncate(places[count])
            self.done = count

    def append(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Add rows, durably.

        Raises:
            RunFolderError: the disk refuses.
        """
        lines = [_line(row) for row in rows]
        with _explained(self.path):
            self._file.write(b"".join(lines))
            self._file.flush()
            os.fsync(self._file.fileno())
        self.done += len(lines)

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """What has been gathered, in order, with the place of each for `at`."""
        with self._partial.open("rb") as file:
            place = file.seek(self._start)
            for line in file:
                yield place, json.loads(line)
                place += len(line)

    def lines(self) -> Iterator[dict[str, Any]]:
        """What has been gathered, in order."""
        return (line for _, line in self.rows())

    def at(self, places: Iterable[int]) -> Iterator[dict[str, Any]]:
        """Rows by their places."""
        with self._partial.open("rb") as file:
            for place in places:
                file.seek(place)
                yield json.loads(file.readline())

    def finish(self, rows: Iterable[Mapping[str, Any]], summary: Mapping[str, Any]) -> None:
        """Write F, whole, and what it was made from.

        Raises:
            RunFolderError: the disk refuses.
        """
        beside = self.path.with_name(f".{self.path.name}.tmp")
        with _explained(self.path):
            with beside.open("wb") as file:
                for row in rows:
                    file.write(_line(row))
                file.flush()
                os.fsync(file.fileno())
            about = {"irltui": __version__, **asdict(self._job), "view": dict(self._view), "summary": dict(summary)}
            replace_json(self._about, about)
            beside.replace(self.path)
            sync_folder(self.path.parent)
        self.is_complete = True

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunFolderError(f"{self.path}: another command is making it", "Wait for it, or end it.") from None

    def _clear(self) -> None:
        for file in (self.path, self._about):
            file.unlink(missing_ok=True)
        self._file.truncate(0)

    def _leave(self) -> None:
        """Leave no empty file behind where nothing was begun."""
        if self._file.seek(0, os.SEEK_END) == 0:
            self._partial.unlink(missing_ok=True)
        self._file.close()

    def _take_up(self) -> None:
        """Find out what is there: a whole F, some rows, or nothing."""
        if self.path.exists():
            self._check_whole()
            self.is_complete = True
            return
        self._file.seek(0)
        header = self._file.readline()
        if header.endswith(b"\n"):
            self._check_partial(header)
            self._start = len(header)
            self._count_rows()
            return
        self._file.truncate(0)  # nothing, or a header that a crash tore
        header = _line({"irltui": __version__, **asdict(self._job)})
        self._file.write(header)
        self._file.flush()
        self._start = len(header)

    def _check_whole(self) -> None:
        try:
            about = json.loads(self._about.read_text(encoding="utf-8"))
            difference = self._job.difference(about) or "with other options" * (about.get("view") != dict(self._view))
        except (OSError, ValueError, AttributeError):
            raise RunFolderError(f"{self.path}: exists, and irltui did not make it", _REMEDY) from None
        if difference:
            raise RunFolderError(f"{self.path}: exists, and was made {difference}", _REMEDY)

    def _check_partial(self, header: bytes) -> None:
        try:
            difference = self._job.difference(json.loads(header))
        except (ValueError, AttributeError):
            raise RunFolderError(f"{self._partial}: damaged", _REMEDY) from None
        if difference:
            raise RunFolderError(f"{self._partial}: was begun {difference}", _REMEDY)

    def _count_rows(self) -> None:
        """Count whole rows; a line that a crash tore is cut off."""
        end = self._start
        for line in self._file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            self.done += 1
        self._file.truncate(end)


@contextmanager
def _explained(path: Path) -> Generator[None]:
    """What the disk refuses becomes an error with the file's name."""
    try:
        yield
    except OSError as error:
        hint = f"Make room or choose another --out: {_GOES_ON}"
        raise RunFolderError(f"{path}: cannot be written: {error}", hint) from error


def _line(row: Mapping[str, Any]) -> bytes:
    text = json.dumps(row, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "backslashreplace") + b"\n"
