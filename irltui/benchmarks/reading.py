"""Read a benchmark's file as items: prompts with answers or preferences, each named by a hash of its contents.

An unusable row is an error, unlike in training, since a benchmark measures the same items every time. Duplicates
count once.
"""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from irltui import quickstart
from irltui.api import PromptText
from irltui.benchmarks.embedded import embedded_rows
from irltui.config.schema import ColumnsSection, DataSection
from irltui.data.columns import Columns, find_columns, is_conversation, listed, prompt_column
from irltui.data.messages import BadRow
from irltui.data.row import Row, read_row, truth
from irltui.data.source import load_rows
from irltui.errors import DataError

if TYPE_CHECKING:
    from irltui.benchmarks import AnswerSpec, FileSpec, PairSpec, Planted

# Keys in the messages of the demonstrations' reader, and the same keys of a benchmark.
_KEYS = {"data.columns.": "", "data.columns: ": "", "data.source": "data", "data.split": "split"}


@dataclass(frozen=True, slots=True)
class Answered:
    """A prompt with an answer; `item` is a hash of both."""

    item: str
    prompt: PromptText
    answer: str


@dataclass(frozen=True, slots=True)
class Preference:
    """A prompt with a better and a worse answer; `item` is a hash of all three."""

    item: str
    prompt: PromptText
    chosen: str
    rejected: str


@dataclass(frozen=True, slots=True)
class _Table:
    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


def read_answers(spec: AnswerSpec) -> list[Answered]:
    """The rows as prompts with answers, without duplicates."""
    found: dict[str, Answered] = {}
    for _, row in _answered(spec, _table(spec)):
        item = _item(_prompt(row), row.completion)
        found.setdefault(item, Answered(item, _prompt(row), row.completion))
    return list(found.values())


def read_marked(spec: Planted) -> tuple[list[Answered], list[bool]]:
    """The rows as demonstrations, and which of them are marked as bad."""
    table = _table(spec, planted=True)
    _check_column("bad", spec.bad, table)
    found: dict[str, tuple[Answered, bool]] = {}
    for number, row in _answered(spec, table):
        is_bad = _mark(table, number, spec.bad)
        item = _item(_prompt(row), row.completion, is_bad)
        found.setdefault(item, (Answered(item, _prompt(row), row.completion), is_bad))
    items, marks = [item for item, _ in found.values()], [mark for _, mark in found.values()]
    if len(set(marks)) < 2:
        which = "bad" if marks[0] else "good"
        raise DataError(
            f'bad: column "{spec.bad}" of {table.name} marks all {len(marks)} rows as {which}',
            "An AUC needs both: mark planted rows with true and the others with false.",
        )
    return items, marks


def read_preferences(spec: PairSpec) -> list[Preference]:
    """The rows as pairs, without duplicates."""
    table = _table(spec)
    _check_column("chosen", spec.chosen, table)
    _check_column("rejected", spec.rejected, table)
    prompt = prompt_column(table.columns) if spec.prompt == "auto" else spec.prompt
    if spec.prompt != "auto":
        _check_column("prompt", prompt, table)
    found: dict[str, Preference] = {}
    for number, raw in enumerate(table.rows, start=1):
        chosen = _side(table, number, raw, prompt, spec.chosen)
        rejected = _side(table, number, raw, prompt, spec.rejected)
        if chosen.prompt != rejected.prompt:
            raise _bad_row(table, number, "chosen and rejected have different prompts")
        if chosen.completion == rejected.completion:
            raise _bad_row(table, number, "chosen and rejected are the same")
        item = _item(_prompt(chosen), chosen.completion, rejected.completion)
        found.setdefault(item, Preference(item, _prompt(chosen), chosen.completion, rejected.completion))
    return list(found.values())


# -- rows ------------------------------------------------------------------------------------


def _table(spec: FileSpec, *, planted: bool = False) -> _Table:
    if spec.data == quickstart.NAME:
        rows = embedded_rows(planted=planted)
        return _Table(spec.data, list(rows[0]), rows if spec.limit == "all" else rows[: spec.limit])
    try:
        rows = load_rows(DataSection(source=spec.data, split=spec.split, subset=spec.subset, limit=spec.limit))
        return _Table(spec.data, rows.columns, list(rows))
    except DataError as error:
        raise _renamed(error) from error


def _answered(spec: AnswerSpec, table: _Table) -> Iterator[tuple[int, Row]]:
    named = ColumnsSection(prompt=spec.prompt, completion=spec.completion, label="off")
    section = DataSection(source=table.name, columns=named)
    try:
        columns = find_columns(section, table.columns, table.rows)
    except DataError as error:
        raise _renamed(error) from error
    for number, raw in enumerate(table.rows, start=1):
        try:
            yield number, read_row(raw, columns)
        except BadRow as reason:
            raise _bad_row(table, number, str(reason)) from None


def _side(table: _Table, number: int, raw: Mapping[str, Any], prompt: str, column: str) -> Row:
    """One answer of a pair; a conversation of several messages includes its own prompt."""
    whole = is_conversation(raw.get(column))
    if not whole and not prompt:
        raise DataError(
            f"prompt: no prompt column found in {table.name} ({listed(table.columns)})",
            'Set prompt = "NAME", or make chosen and rejected whole conversations (lists of messages).',
        )
    columns = Columns(messages=column) if whole else Columns(prompt, column)
    try:
        return read_row(raw, columns)
    except BadRow as reason:
        raise _bad_row(table, number, f"{column}: {reason}") from None


def _mark(table: _Table, number: int, column: str) -> bool:
    value = table.rows[number - 1].get(column)
    if (found := truth(value)) is None:
        raise _bad_row(table, number, f"{column} is {value!r}, neither true nor false")
    return found


def _prompt(row: Row) -> PromptText:
    """The prompt; a single user message becomes plain text."""
    prompt = row.whole_prompt
    if isinstance(prompt, str) or len(prompt) > 1 or prompt[0]["role"] != "user":
        return prompt
    return prompt[0]["content"]


def _item(*contents: Any) -> str:
    """A name that does not change when rows move or others are inserted."""
    return hashlib.blake2b(json.dumps(contents, sort_keys=True).encode(), digest_size=8).hexdigest()


# -- errors -----------------------------------------------------------------------------------


def _check_column(key: str, name: str, table: _Table) -> None:
    if name in table.columns:
        return
    near = difflib.get_close_matches(name, table.columns, n=1)
    raise DataError(
        f'{key}: column "{name}" not found in {table.name} ({listed(table.columns)})',
        f'Set {key} = "{near[0] if near else "NAME"}".',
    )


def _bad_row(table: _Table, number: int, reason: str) -> DataError:
    return DataError(f"{table.name}: row {number}: {reason}", "Correct or remove the row: benchmarks skip no rows.")


def _renamed(error: DataError) -> DataError:
    message, hint = error.message, error.hint
    for theirs, ours in _KEYS.items():
        message, hint = message.replace(theirs, ours), hint.replace(theirs, ours)
    return DataError(message, hint)
