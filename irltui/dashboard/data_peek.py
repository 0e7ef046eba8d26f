"""A first look at demonstrations and paths while a form is filled in: columns, a few rows, completion. No model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from textual.suggester import Suggester

from irltui.errors import DataError

ROWS, MOST = 200, 20_000  # rows that are kept, and counted
_TEXT = {".csv", ".tsv", ".jsonl", ".json", ".ndjson"}
_SHOWN = 8


@dataclass(frozen=True)
class Peek:
    """What a first look found.

    Attributes:
        rows: the first ones.
        count: how many there are, at most MOST.
        problem: why there are none, "" if there are or if nothing can be said yet.
        note: what is known of a source that is not read here.
    """

    rows: tuple[Mapping[str, Any], ...] = ()
    count: int = 0
    problem: str = ""
    note: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for row in self.rows for name in row))


@dataclass(frozen=True)
class Shown:
    """A row as it will be trained on."""

    prompt: str
    answer: str
    problem: str = ""


def peek(source: str) -> Peek:
    """Look at a local file of text; other sources are only named."""
    if not source or source == "quickstart":
        return Peek(note="600 demonstrations of the embedded world" if source else "")
    path = Path(source).expanduser()
    try:
        if path.is_file() and path.suffix in _TEXT:
            return _read(path, path.stat().st_mtime_ns)
        if path.exists():
            return Peek(note="a folder, read when the run starts" if path.is_dir() else "read when the run starts")
    except OSError as error:
        return Peek(problem=error.strerror or str(error))
    looks_local = source.startswith(("/", "~", ".")) or path.suffix in {*_TEXT, ".parquet", ".arrow"}
    return Peek(problem="no such file") if looks_local else Peek(note="from the Hugging Face Hub, when it starts")


@lru_cache(maxsize=8)
def _read(path: Path, changed: int) -> Peek:
    from irltui.data.text_files import read_text_file

    try:
        rows = [row for row, _ in islice(read_text_file(path), MOST)]
    except (DataError, OSError, ValueError) as error:
        return Peek(problem=str(error).splitlines()[0])
    return Peek(tuple(rows[:ROWS]), len(rows), "" if rows else "no rows")


def guessed(found: Peek) -> tuple[str, str]:
    """The columns that most likely hold prompt and answer."""
    from irltui.data.guess import guess_columns

    return guess_columns(found.rows) if found.rows else ("", "")


def shown_rows(found: Peek, prompt: str, answer: str) -> list[Shown]:
    """The first rows as prompt and answer, "" for a column that is to be found by its name."""
    from irltui.config.schema import ColumnsSection, DataSection
    from irltui.data.columns import find_columns
    from irltui.data.messages import BadRow
    from irltui.data.row import read_row

    section = DataSection(source="-", columns=ColumnsSection(prompt=prompt or "auto", completion=answer or "auto"))
    try:
        columns = find_columns(section, found.columns, found.rows)
    except DataError as error:
        return [Shown("", "", error.message.splitlines()[0])]
    rows = []
    for raw in found.rows[:_SHOWN]:
        try:
            row = read_row(raw, columns)
            rows.append(Shown(row.prompt_text, row.completion))
        except BadRow as error:
            rows.append(Shown("", "", f"left out: {error}"))
    return rows


class PathSuggester(Suggester):
    """Completes a path; the right arrow accepts."""

    def __init__(self) -> None:
        super().__init__(use_cache=False, case_sensitive=True)

    async def get_suggestion(self, value: str) -> str | None:
        """The first entry of the folder that begins so."""
        if not value:
            return None
        path = Path(value).expanduser()
        folder, begins = (path, "") if value.endswith("/") else (path.parent, path.name)
        try:
            names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith(begins))
        except OSError:
            return None
        name = next((name for name in names if not name.startswith(".") or begins.startswith(".")), "")
        if not name or name == begins:
            return None
        whole = value[: len(value) - len(begins)] + name
        return whole + ("/" if (folder / name).is_dir() else "")
