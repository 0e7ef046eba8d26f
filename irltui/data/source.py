"""Rows of a hub data set or local files, through `datasets`; errors name the file, the line and the remedy.

Rows stay on disk (memory-mapped Arrow). Knows files and columns, not prompts or tokens.
"""

from __future__ import annotations

import difflib
import glob
import json
import logging
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Any

import datasets
import datasets.exceptions
from datasets.arrow_writer import ArrowWriter

from irltui import quickstart
from irltui.config.schema import DataSection
from irltui.data.groups import groups
from irltui.data.progress import Progress
from irltui.data.splits import files_of_split, is_about_data
from irltui.data.text_files import read_text_file
from irltui.errors import DataError
from irltui.lm.hub_access import use_cache_if_unreachable

_FORMATS = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
    ".arrow": "arrow",
}
_TEXT = {"json", "csv"}
_UNPACK = {".gz": "gunzip --keep", ".zst": "unzstd", ".xz": "unxz --keep", ".bz2": "bunzip2 --keep", ".zip": "unzip"}
_BATCH = 256  # rows that are taken from a table at once, or put into one,
_CHARACTERS = 1_000_000  # or fewer where they are this long
_PACKED = "row"  # the one column of rows that came as text
# `datasets` and the libraries below it raise errors of many types.
_LOADING = (
    datasets.exceptions.DatasetsError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    AttributeError,
    ArithmeticError,
    ImportError,
    StopIteration,
)


class Rows:
    """Rows on disk, in their order; each comes as a mapping from column names to values, absent ones left out.

    `left_out` are files of other splits, or their names.
    """

    def __init__(
        self, name: str, table: Any, columns: Sequence[str], *, packed: bool, left_out: Sequence[str] = ()
    ) -> None:
        self.columns, self.left_out = columns, left_out
        self.name, self._table, self._packed = name, table, packed

    def __len__(self) -> int:
        return len(self._table)

    def __getitem__(self, i: int) -> Mapping[str, Any]:
        return self._unpack(self._table[i])

    def at(self, places: Sequence[int]) -> list[Mapping[str, Any]]:
        """Rows by their places, read at once."""
        return [self._unpack(raw) for raw in self._table.with_format("arrow")[list(places)].to_pylist()]

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        """In order.

        Raises:
            DataError: a row that is stored wrongly.
        """
        done = 0
        try:
            for batch in self._table.with_format("arrow").iter(_BATCH):
                for raw in batch.to_pylist():
                    yield self._unpack(raw)
                    done += 1
        except UnicodeDecodeError:
            raise DataError(
                f"{self.name}: row {self._first_unreadable(done) + 1}: text that is not UTF-8",
                "Write the file again as UTF-8.",
            ) from None

    def first(self, count: int) -> list[Mapping[str, Any]]:
        """Some of the first rows, pictures and the like as they are stored."""
        return list(islice(self, count))

    def only(self, columns: Iterable[str]) -> Rows:
        """The same rows with only some columns, so that images need not be decoded."""
        if self._packed:
            return self
        return Rows(
            self.name, self._table.select_columns(list(columns)), self.columns, packed=False, left_out=self.left_out
        )

    def _unpack(self, raw: Mapping[str, Any]) -> Mapping[str, Any]:
        return (
            json.loads(raw[_PACKED]) if self._packed else {name: _without_nulls(value) for name, value in raw.items()}
        )

    def _first_unreadable(self, start: int) -> int:
        """The first unreadable row: tables are read in blocks, so it may come later than the last row read."""
        for i in range(start, len(self._table)):
            try:
                self._table[i]
            except UnicodeDecodeError:
                return i
        return start


def _without_nulls(value: Any) -> Any:
    """A nested value without nulls: tables give every object the fields of all."""
    if isinstance(value, dict):
        return {name: _without_nulls(found) for name, found in value.items() if found is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def load_rows(section: DataSection, progress: Progress | None = None) -> Rows:
    """The rows, at most `section.limit`.

    Raises:
        DataError: nothing there, not readable, or no rows.
    """
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(logging.CRITICAL)  # every error it logs, it raises too
    rows = _local(path, section, progress or Progress()) if (path := local_path(section)) else _hub(section)
    if len(rows) == 0:
        raise DataError(f"data.source: {section.source}: no rows", "Give at least two demonstrations.")
    return rows


def local_path(section: DataSection) -> Path | None:
    """The file or folder that the source is; None for a hub data set."""
    if section.source in quickstart.DATA:
        return quickstart.DATA[section.source]
    try:
        path = Path(section.source).expanduser()
        return path if path.exists() else None
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(
            f"data.source: {section.source}: cannot be looked up: {error}", "Give a local file or a hub name."
        ) from None


def _local(path: Path, section: DataSection, progress: Progress) -> Rows:
    if (path / "state.json").is_file() or (path / "dataset_dict.json").is_file():
        return _saved(path, section)
    files, others = _files(path, section.split)
    left_out = [str(file.relative_to(path)) for file in others]
    kind = _FORMATS[files[0].suffix.lower()]
    if kind in _TEXT:
        return _text(files, section, left_out, progress)
    names = [glob.escape(str(file)) for file in files]
    try:
        # The table stays mapped though its file's name is gone: nothing is left behind, however the run ends.
        with tempfile.TemporaryDirectory(prefix="irltui-", ignore_cleanup_errors=True) as cache:
            table = datasets.load_dataset(kind, data_files={"train": names}, split="train", cache_dir=cache)
    except _LOADING as error:
        raise DataError(f"data.source: {path}: cannot be read: {_reason(error)}", "Is the file whole?") from error
    return _table_rows(table, section, left_out)


def _files(path: Path, split: str) -> tuple[list[Path], list[Path]]:
    """The data files that a path stands for, itself or those of a split in the folder; and those of other splits.

    Raises:
        DataError: none, empty ones, or of several kinds.
    """
    files, others = files_of_split(_data_files(path), path, split) if path.is_dir() else ([path], [])
    suffixes = {file.suffix.lower() for file in files}
    if path.suffix.lower() in _UNPACK and path.is_file():
        raise DataError(
            f"data.source: {path}: compressed ({path.suffix})",
            f"Unpack it first: {_UNPACK[path.suffix.lower()]} {path}",
        )
    if not files or not suffixes <= _FORMATS.keys() or len({_FORMATS[suffix] for suffix in suffixes}) > 1:
        raise DataError(
            f"data.source: {path}: {_mismatch(path, suffixes)}",
            f"Known kinds, one a folder: {', '.join(_FORMATS)}; or a hub name.",
        )
    for file in files:
        if not file.is_file() or file.stat().st_size == 0:
            what = "the file is empty" if file.is_file() else "not a file"
            raise DataError(f"{file}: {what}", "Give a file with at least two demonstrations.")
    return files, others


def _data_files(path: Path) -> list[Path]:
    """Data files of a folder; of the folders in it, if it has none of its own."""
    for pattern in ("*", "**/*"):
        found = [file for file in path.glob(pattern) if file.is_file() and file.suffix.lower() in _FORMATS]
        if found := sorted(file for file in found if not is_about_data(file)):
            return found
    return []


def _mismatch(path: Path, suffixes: set[str]) -> str:
    """Why files of these types cannot be read together."""
    if path.is_dir():
        return f"holds files of several kinds: {', '.join(sorted(suffixes))}" if suffixes else "holds no data files"
    return f"is of no known kind ({path.suffix or 'its name has no ending'})"


def _text(files: Sequence[Path], section: DataSection, left_out: Sequence[str], progress: Progress) -> Rows:
    """Text files packed into a table of one column, read once for their errors and columns."""
    columns: dict[str, None] = {}
    rows = islice(chain.from_iterable(map(read_text_file, files)), None if section.limit == "all" else section.limit)
    try:
        with tempfile.TemporaryDirectory(prefix="irltui-", ignore_cleanup_errors=True) as folder:
            file = f"{folder}/rows.arrow"
            features = datasets.Features({_PACKED: datasets.Value("large_string")})
            with ArrowWriter(path=file, features=features) as writer:
                done = 0
                for some in groups(rows, lambda row: len(row[1]), most=_BATCH, largest=_CHARACTERS):
                    for row, _ in some:
                        columns |= dict.fromkeys(row)
                    writer.write_batch({_PACKED: [text for _, text in some]})
                    done += len(some)
                    progress.step(done, f"rows of {section.source} read")
                if columns:
                    writer.finalize()
            if not columns:
                raise DataError(f"data.source: {section.source}: no rows", "Give at least two demonstrations.")
            table = datasets.Dataset.from_file(file)
            return Rows(section.source, table, tuple(columns), packed=True, left_out=left_out)
    except OSError as error:
        may_not = isinstance(error, PermissionError)
        raise DataError(
            f"data.source: {section.source}: cannot be read, or its temporary table not be written: {error}",
            "Have its owner allow it." if may_not else "Is there room, in the folder that TMPDIR names, too?",
        ) from error


def _saved(path: Path, section: DataSection) -> Rows:
    """What `save_to_disk` wrote."""
    try:
        loaded = datasets.load_from_disk(str(path))
    except _LOADING as error:
        raise DataError(f"data.source: {path}: cannot be read: {_reason(error)}", "Is the folder whole?") from error
    if isinstance(loaded, datasets.DatasetDict):
        if section.split not in loaded:
            raise DataError(
                f"data.split: {section.split!r} is not in {section.source} (splits: {', '.join(map(str, loaded))})",
                "Set data.split to one of them.",
            )
        left_out = [str(name) for name in loaded if name != section.split]
        return _table_rows(loaded[section.split], section, left_out)
    return _table_rows(loaded, section)


def _hub(section: DataSection) -> Rows:
    path = Path(section.source).expanduser()
    if path.suffix.lower() in _FORMATS or section.source.startswith((".", "/", "~")):
        raise DataError(f"data.source: {section.source}: no such file", _did_you_mean(path))
    if section.source in {*_FORMATS.values(), "text"}:
        # To `datasets` these are readers, which would take whatever lies in the working folder.
        raise DataError(f"data.source: {section.source}: not the name of a data set", "Give a file or a hub name.")
    subset = None if section.subset == "auto" else section.subset
    if unreachable := use_cache_if_unreachable():
        datasets.config.HF_HUB_OFFLINE = True
    try:
        return _table_rows(datasets.load_dataset(section.source, subset, split=section.split), section)
    except _LOADING as error:
        if unreachable:
            raise DataError(
                f"data.source: {section.source}: neither a local file nor a data set in the cache, and the hub is "
                f"not there: {unreachable}",
                f"Check the name, the network and the proxy. {_did_you_mean(path)}",
            ) from error
        raise DataError(
            f"data.source: {section.source}: neither a local file nor a data set that the hub gives: {_reason(error)}",
            f"Check the name, data.split and data.subset, the network and your access token. {_did_you_mean(path)}",
        ) from error


def _table_rows(table: Any, section: DataSection, left_out: Sequence[str] = ()) -> Rows:
    if section.limit != "all":
        table = table.select(range(min(section.limit, len(table))))
    return Rows(section.source, table, table.column_names, packed=False, left_out=left_out)


def _did_you_mean(path: Path) -> str:
    if not path.parent.is_dir():
        return f"There is no folder {path.parent} here either."
    names = [entry.name for entry in path.parent.iterdir()]
    near = [name for name in names if Path(name).stem == path.name]
    stems = {Path(name).stem: name for name in names if Path(name).suffix.lower() in _FORMATS}
    near = near or [stems[stem] for stem in difflib.get_close_matches(path.stem, stems, n=1)]
    return f"Did you mean {path.parent / near[0]}?" if near else "Give a local file or a hub name."


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause, which `datasets` wraps."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
