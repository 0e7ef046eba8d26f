"""JSON Lines, JSON and CSV files as rows that keep what was written; errors name the file and the line.

Readers that guess types turn the answers 007, True and 2024-01-01 into numbers, booleans and dates. Here a row
is what the file says, in the file's order. Knows lines and fields, not which of them hold a prompt.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from irltui.errors import DataError

_OBJECT_PER_LINE = 'Each line must hold one JSON object such as {"prompt": "...", "completion": "..."}.'


def read_text_file(file: Path) -> Iterator[dict[str, Any]]:
    """Rows of a JSON Lines, JSON or CSV file, one at a time (a JSON document is read whole).

    Raises:
        DataError: not UTF-8, or not of its format, with the line.
    """
    if file.suffix.lower() == ".csv":
        return _csv(file)
    return _json_document(file) if _is_document(file) else _json_lines(file)


def _json_lines(file: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(_lines(file), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line.rstrip())
        except json.JSONDecodeError as error:
            raise DataError(
                f"{file}:{number}: not JSON: {error.msg} at character {error.pos + 1} of the line", _OBJECT_PER_LINE
            ) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}:{number}: not usable JSON: {error}", _OBJECT_PER_LINE) from None
        if not isinstance(row, dict):
            raise DataError(f"{file}:{number}: a JSON {_type(row)}, not an object", _OBJECT_PER_LINE)
        yield row


def _json_document(file: Path) -> Iterator[dict[str, Any]]:
    remedy = "The file must hold one list of objects, or one object a line."
    try:
        rows = json.loads("".join(_lines(file)))
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: not JSON: {error.msg} at character {error.colno}", remedy) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not usable JSON: {error}", remedy) from None
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(f"{file}: item {number} of the list is a JSON {_type(row)}, not an object", remedy)
        yield row


def _csv(file: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(sys.maxsize)  # long answers are none of csv's business
    reader = csv.reader(_lines(file), strict=True, delimiter=_delimiter(file))
    try:
        names = next(reader, list[str]())
        if len(set(names)) < len(names):
            raise DataError(f"{file}:1: two columns have one name", "The first line must name the columns.")
        for fields in reader:
            if len(fields) > len(names):
                raise DataError(
                    f"{file}:{reader.line_num}: {len(fields)} fields, but the first line names {len(names)} columns",
                    "Quote fields that hold commas or newlines.",
                )
            if fields:
                yield dict.fromkeys(names) | dict(zip(names, fields, strict=False))
    except csv.Error as error:
        raise DataError(
            f"{file}:{reader.line_num}: not CSV: {error}",
            "Quote fields that hold commas or newlines; double the quotes inside.",
        ) from None


def _delimiter(file: Path) -> str:
    """A comma, unless the first line has none: spreadsheets of many countries write semicolons, some write tabs."""
    first = next(_lines(file), "")
    return next((mark for mark in ",;\t" if mark in first), ",")


def _lines(file: Path) -> Iterator[str]:
    with file.open("rb") as opened:
        for number, line in enumerate(opened, start=1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{file}:{number}: not UTF-8 at byte {error.start + 1} of the line",
                    "Save the file as UTF-8 (iconv -f latin1 -t utf-8 helps for older files).",
                ) from None


def _is_document(file: Path) -> bool:
    """One JSON list of rows, rather than JSON Lines?"""
    with file.open("rb") as opened:
        return opened.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _type(value: object) -> str:
    names: dict[type, str] = {str: "text", bool: "boolean", int: "number", float: "number", list: "list"}
    return names.get(type(value), "null")
