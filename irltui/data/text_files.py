"""JSON Lines, JSON and CSV files as rows that keep what was written; errors name the file and the line.

Readers that guess types turn the answers 007, True and 2024-01-01 into numbers, booleans and dates. Here a row
is what the file says, in the file's order. Knows lines and fields, not which of them hold a prompt.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from irltui.errors import DataError

_OBJECT_PER_LINE = 'Each line must hold one JSON object such as {"prompt": "...", "completion": "..."}.'

Row: TypeAlias = tuple[dict[str, Any], str]
"""A row, and the same as JSON text."""
_SPACE = re.compile(r"[ \t\r\n]*")
_ENOUGH = 8  # bytes that show an encoding
_LATIN = 0.3  # share of bytes beyond ASCII up to which a text is in a Latin alphabet


def read_text_file(file: Path) -> Iterator[Row]:
    """Rows of a JSON Lines, JSON or CSV file, one at a time.

    Raises:
        DataError: not UTF-8, or not of its format, with the line.
    """
    if file.suffix.lower() in {".csv", ".tsv"}:
        return _csv(file)
    return _json_document(file) if _is_document(file) else _json_lines(file)


def _json_lines(file: Path) -> Iterator[Row]:
    for number, line in enumerate(_lines(file), start=1):
        if not (text := line.rstrip()):
            continue
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            if number == 1 and (wrapped := _wrapped_rows(file)):
                raise wrapped from None
            raise DataError(
                f"{file}:{number}: not JSON: {error.msg} at character {error.pos + 1} of the line", _hint(file, text)
            ) from None
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file}:{number}: not usable JSON: {error}", _OBJECT_PER_LINE) from None
        if not isinstance(row, dict):
            raise DataError(f"{file}:{number}: a JSON {_type(row)}, not an object", _OBJECT_PER_LINE)
        yield row, text


def _hint(file: Path, line: str) -> str:
    """What to do about a line that is not JSON, by what it is instead."""
    name = shlex.quote(str(file))
    if line.startswith("version https://git-lfs"):
        return "This is a Git LFS pointer, not the data: fetch the file with git lfs pull."
    if line.startswith("<"):
        return "This is a web page, not the data: download the file itself."
    if line == "{":
        return f"Objects may not span lines; put each on one line: jq -c . {name} > rows.jsonl"
    if line.startswith("{") and line.endswith("},"):
        return f"Lines may not end with a comma: sed 's/,$//' {name} > rows.jsonl"
    if line.startswith("{'"):
        return "This is how Python prints a dictionary; write each row with json.dumps."
    return _OBJECT_PER_LINE


def _wrapped_rows(file: Path) -> DataError | None:
    try:
        return wrapped_rows(str(file), json.loads(file.read_bytes()))
    except (ValueError, RecursionError):
        return None


def wrapped_rows(source: str, document: object) -> DataError | None:
    """What is wrong with a document that is one object with a list of the rows; None for any other."""
    for name, value in document.items() if isinstance(document, Mapping) else ():
        if isinstance(value, list) and value and isinstance(value[0], Mapping):
            return DataError(
                f'{source}: one object whose "{name}" holds a list of {len(value)} rows',
                f"Give the rows alone: jq -c '.{name}[]' {shlex.quote(source)} > rows.jsonl",
            )
    return None


def _json_document(file: Path) -> Iterator[Row]:
    remedy = "The file must hold one list of objects, or one object a line."
    try:
        for number, (row, text) in enumerate(_items("".join(_lines(file))), start=1):
            if not isinstance(row, dict):
                raise DataError(f"{file}: item {number} of the list is a JSON {_type(row)}, not an object", remedy)
            yield row, text
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: not JSON: {error.msg} at character {error.colno}", remedy) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: not usable JSON: {error}", remedy) from None


def _items(text: str) -> Iterator[tuple[Any, str]]:
    """The items of a JSON list, each with its text; all of them at once would take many times the memory."""

    def skip_space(at: int) -> int:
        found = _SPACE.match(text, at)
        return found.end() if found else at

    decoder = json.JSONDecoder()
    at = skip_space(skip_space(0) + 1)
    more = not text.startswith("]", at)
    while more:
        start = at
        value, at = decoder.raw_decode(text, at)
        yield value, text[start:at]
        at = skip_space(at)
        if more := text.startswith(",", at):
            at = skip_space(at + 1)
        elif not text.startswith("]", at):
            raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
    if (at := skip_space(at + 1)) < len(text):
        raise json.JSONDecodeError("Extra data", text, at)


def _csv(file: Path) -> Iterator[Row]:
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
                row = dict.fromkeys(names) | dict(zip(names, fields, strict=False))
                yield row, json.dumps(row)
    except csv.Error as error:
        raise DataError(
            f"{file}:{reader.line_num}: not CSV: {error}",
            "Quote fields that hold commas or newlines; double the quotes inside.",
        ) from None


def _delimiter(file: Path) -> str:
    """A comma, unless the first line has none: spreadsheets of many countries write semicolons, some write tabs."""
    first = next(_lines(file), "")
    if file.suffix.lower() == ".tsv":
        return "\t"
    return next((mark for mark in ",;\t" if mark in first), ",")


def _lines(file: Path) -> Iterator[str]:
    with file.open("rb") as opened:
        for number, line in enumerate(opened, start=1):
            if number == 1 and (wide := _wide_encoding(line)):
                raise DataError(f"{file}: {wide.upper()}, not UTF-8", f"Convert it: {_iconv(file, wide)}")
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                raise DataError(
                    f"{file}:{number}: not UTF-8 at byte {error.start + 1} of the line", _encoding_hint(file, line)
                ) from None


def _wide_encoding(start: bytes) -> str:
    """UTF-16 or UTF-32 by the mark that files in them begin with, or by the zeros between Latin letters; else ""."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "utf-32"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if len(letters := start[:32]) >= _ENOUGH:
        for encoding, zeros in (("utf-16le", letters[1::2]), ("utf-16be", letters[::2])):
            if not any(zeros) and letters.count(0) <= len(zeros):
                return encoding
    return ""


def _encoding_hint(file: Path, line: bytes) -> str:
    """How to convert a file, by a line that is not UTF-8; the line itself shows whether that is right."""
    for encoding in ("cp1252",) if sum(byte > 127 for byte in line) < _LATIN * len(line) else ():
        try:
            text = line.decode(encoding).strip()
        except UnicodeDecodeError:
            continue
        at = next((i for i, letter in enumerate(text) if ord(letter) > 127), 0)
        return (
            f"As Windows-1252 ({encoding}) it says {text[max(0, at - 20) : at + 20]!r}. If that is right: "
            f"{_iconv(file, encoding)}"
        )
    return f"Find out its encoding (file -i {file}), then convert it with iconv -f ENCODING -t utf-8."


def _iconv(file: Path, encoding: str) -> str:
    return f"iconv -f {encoding} -t utf-8 {shlex.quote(str(file))} > {shlex.quote('utf8-' + file.name)}"


def _is_document(file: Path) -> bool:
    """One JSON list of rows, rather than JSON Lines?"""
    with file.open("rb") as opened:
        return opened.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _type(value: object) -> str:
    names: dict[type, str] = {str: "text", bool: "boolean", int: "number", float: "number", list: "list"}
    return names.get(type(value), "null")
