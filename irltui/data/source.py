"""Rows of a hub data set or a local file, through `datasets`; errors name the file, the line and the remedy.

Rows stay on disk (memory-mapped Arrow). Knows files and columns, not prompts or tokens.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import datasets.exceptions

from irltui import quickstart
from irltui.config.schema import DataSection
from irltui.errors import DataError

_FORMATS = {
    ".jsonl": "json",
    ".json": "json",
    ".ndjson": "json",
    ".parquet": "parquet",
    ".csv": "csv",
    ".arrow": "arrow",
}
# pandas would read an answer "None" or "NA" as a missing one.
_OPTIONS: dict[str, dict[str, Any]] = {"csv": {"keep_default_na": False}}


def load_rows(section: DataSection) -> Any:
    """The rows as a `datasets.Dataset`, at most `section.limit`.

    Raises:
        DataError: nothing there, not readable, or no rows.
    """
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity_error()
    is_embedded = section.source == quickstart.NAME
    path = quickstart.demonstrations_file() if is_embedded else Path(section.source).expanduser()
    rows = _local(path, section) if path.exists() else _hub(section)
    if len(rows) == 0:
        raise DataError(f"data.source: {section.source}: no rows", "Give a file with at least two demonstrations.")
    return rows if section.limit == "all" else rows.select(range(min(section.limit, len(rows))))


def _local(path: Path, section: DataSection) -> Any:
    if path.is_dir() and (path / "state.json").is_file():
        return _single(datasets.load_from_disk(str(path)), section)
    files = [path] if path.is_file() else sorted(file for file in path.iterdir() if file.suffix in _FORMATS)
    suffixes = {file.suffix.lower() for file in files}
    if not files or len({_FORMATS.get(suffix) for suffix in suffixes}) > 1 or not suffixes <= _FORMATS.keys():
        what = "no data files" if not files else f"files of kind {', '.join(sorted(suffixes)) or 'none'}"
        raise DataError(
            f"data.source: {path}: {what}", f"Known kinds, one a folder: {', '.join(_FORMATS)}; or a hub name."
        )
    for file in files:
        if file.stat().st_size == 0:
            raise DataError(f"{file}: the file is empty", "Give a file with at least two demonstrations.")
    kind = _FORMATS[files[0].suffix.lower()]
    try:
        names = [str(file) for file in files]
        return datasets.load_dataset(kind, data_files=names, split="train", **_OPTIONS.get(kind, {}))
    except (datasets.exceptions.DatasetsError, OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        for file in files:
            _explain(file, kind)
        raise DataError(f"data.source: {path}: cannot be read: {_reason(error)}", _remedy(kind)) from error


def _hub(section: DataSection) -> Any:
    path = Path(section.source).expanduser()
    if path.suffix.lower() in _FORMATS or section.source.startswith((".", "/", "~")):
        raise DataError(f"data.source: {section.source}: no such file", _close_names(path))
    subset = None if section.subset == "auto" else section.subset
    try:
        return _single(datasets.load_dataset(section.source, subset, split=section.split), section)
    except (
        datasets.exceptions.DatasetsError,
        OSError,
        ValueError,
        TypeError,
        KeyError,
        RuntimeError,
    ) as error:
        raise DataError(
            f"data.source: {section.source}: neither a local file nor a data set that the hub gives: {_reason(error)}",
            "Check the name, data.split and data.subset, the network and your access token.",
        ) from error


def _single(loaded: Any, section: DataSection) -> Any:
    if not isinstance(loaded, datasets.DatasetDict):
        return loaded
    if section.split not in loaded:
        raise DataError(
            f"data.split: {section.split!r} is not in {section.source} (splits: {', '.join(loaded)})",
            "Set data.split to one of them.",
        )
    return loaded[section.split]


def _explain(file: Path, kind: str) -> None:
    """Find the first line at fault.

    Raises:
        DataError: it was found.
    """
    if kind not in {"json", "csv"}:
        return
    types: dict[str, str] = {}
    is_lines = kind == "json" and _looks_like_lines(file)
    for number, line in _lines(file):
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file}:{number}: not UTF-8 at byte {error.start + 1} of the line",
                "Save the file as UTF-8 (iconv -f latin1 -t utf-8 helps for older files).",
            ) from None
        if is_lines and text.strip():
            _explain_row(file, number, text, types)


def _explain_row(file: Path, number: int, text: str, types: dict[str, str]) -> None:
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}:{number}: not JSON: {error}", "Each line must hold one JSON object.") from None
    if not isinstance(row, dict):
        raise DataError(
            f"{file}:{number}: a JSON {_json_type(row)}, not an object",
            'Each line must hold one JSON object such as {"prompt": "...", "completion": "..."}.',
        )
    for key, value in row.items():
        if value is None:
            continue
        if types.setdefault(key, _json_type(value)) != _json_type(value):
            raise DataError(
                f"{file}:{number}: {key!r} is a {_json_type(value)}; in earlier rows it is a {types[key]}",
                "A column must hold one type.",
            )


def _json_type(value: object) -> str:
    names = {str: "text", bool: "boolean", int: "number", float: "number", list: "list", dict: "table"}
    return names.get(type(value), "null")


def _looks_like_lines(file: Path) -> bool:
    """JSON Lines, or one JSON document (a list of rows)?"""
    with file.open("rb") as opened:
        return not opened.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    with file.open("rb") as opened:
        yield from enumerate(opened, start=1)


def _close_names(path: Path) -> str:
    if not path.parent.is_dir():
        return f"The folder {path.parent} does not exist either."
    names = [entry.name for entry in path.parent.iterdir()]
    near = difflib.get_close_matches(path.name, names, n=1)
    return f"Did you mean {path.parent / near[0]}?" if near else "Give a local file or a hub name."


def _reason(error: BaseException) -> str:
    """The innermost cause, first line: `datasets` wraps what the user needs to know."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]


def _remedy(kind: str) -> str:
    return {
        "json": "Each line must hold one JSON object with the same columns.",
        "csv": "The first line must name the columns; quote fields that hold commas or newlines.",
    }.get(kind, "Is the file whole?")
