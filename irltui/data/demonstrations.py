"""The demonstrations of a run: tokenised once, split by prompt, kept compactly.

Token ids lie in flat arrays (4 bytes a token); texts stay in the memory-mapped rows and are read when asked for.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

import numpy as np

from irltui.api import Demonstration, Prompt
from irltui.config.schema import DataSection
from irltui.data.columns import BadRow, Columns, Row, find_columns, read_row
from irltui.data.source import Rows, load_rows
from irltui.data.template import FORMATTED, PromptTemplate
from irltui.data.tokens import INNER_END, OVERLONG, RowTokens
from irltui.errors import DataError
from irltui.runs.data_report import DataReport, Tally, lengths

_DUPLICATE = "duplicate"
_OWN_TEMPLATE = "set data.template to a Jinja file that fits these conversations"


class _Rows:
    """Flat storage of tokenised rows."""

    def __init__(self, source: Rows, columns: Columns) -> None:
        self._source, self._columns = source, columns
        self.row = array("q")  # index into the source
        self.ended = array("b")
        self._tokens = array("i")
        self._ends = array("q")  # where each row's prompt, then its response, ends in `_tokens`

    def __len__(self) -> int:
        return len(self.row)

    def add(self, row: int, prompt: Sequence[int], response: Sequence[int], *, ended: bool) -> None:
        self.row.append(row)
        self.ended.append(ended)
        for ids in (prompt, response):
            self._tokens.extend(ids)
            self._ends.append(len(self._tokens))

    def tokens(self, i: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Prompt and response ids."""
        start = self._ends[2 * i - 1] if i else 0
        middle, end = self._ends[2 * i], self._ends[2 * i + 1]
        return tuple(self._tokens[start:middle]), tuple(self._tokens[middle:end])

    def digest(self) -> bytes:
        """Of all ids, each in its place."""
        digest = hashlib.blake2b(digest_size=16)
        for column in (self.row, self.ended, self._tokens, self._ends):
            digest.update(column)
        return digest.digest()

    def first_beyond(self, limit: int) -> tuple[int, int] | None:
        """The first id that is not below a limit, with its row's index in the source."""
        over = np.flatnonzero(np.frombuffer(self._tokens, dtype=np.int32) >= limit)
        if not len(over):
            return None
        at = int(over[0])
        return self.row[int(np.searchsorted(np.asarray(self._ends), at, side="right")) // 2], self._tokens[at]

    def lengths(self, i: int) -> tuple[int, int]:
        """Of prompt and response, in tokens."""
        start = self._ends[2 * i - 1] if i else 0
        return self._ends[2 * i] - start, self._ends[2 * i + 1] - self._ends[2 * i]

    def demonstration(self, i: int) -> Demonstration:
        row = self.row[i]
        read = read_row(self._source[row], self._columns)
        prompt, response = self.tokens(i)
        name = f"row-{row + 1}"
        return Demonstration(
            name, Prompt(name, read.prompt_text, prompt), read.completion, response, bool(self.ended[i])
        )


class Demonstrations(Sequence[Demonstration]):
    """Some of the rows, in a fixed order."""

    def __init__(self, rows: _Rows, indices: Sequence[int]) -> None:
        self._rows, self._indices = rows, array("q", indices)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, i: int) -> Demonstration: ...
    @overload
    def __getitem__(self, i: slice) -> Demonstrations: ...
    def __getitem__(self, i: int | slice) -> Demonstration | Demonstrations:
        if isinstance(i, slice):
            return Demonstrations(self._rows, self._indices[i])
        return self._rows.demonstration(self._indices[i])

    def __iter__(self) -> Iterator[Demonstration]:
        return (self[i] for i in range(len(self)))

    def first_beyond(self, limit: int) -> tuple[int, int] | None:
        """The first id of all rows that is not below a limit, with its row's index in the source."""
        return self._rows.first_beyond(limit)

    def digest(self) -> bytes:
        """Of their ids and order."""
        return hashlib.blake2b(self._rows.digest() + self._indices.tobytes(), digest_size=16).digest()


@dataclass(frozen=True)
class DemonstrationData:
    """What a run learns from, what it keeps out, and how they were made."""

    train: Demonstrations
    held_out: Demonstrations
    template: PromptTemplate
    report: DataReport

    def first_beyond(self, limit: int) -> tuple[int, int] | None:
        """The first row (1-based) with an id that is not below a limit, and that id; None if there is none."""
        found = self.train.first_beyond(limit)
        return None if found is None else (found[0] + 1, found[1])

    @property
    def digest(self) -> str:
        """The same for the same ids in the same places."""
        return hashlib.blake2b(self.train.digest() + self.held_out.digest(), digest_size=16).hexdigest()


def load_demonstrations(section: DataSection, tokenizer: Any, eos_ids: frozenset[int]) -> DemonstrationData:
    """Read, check, tokenise and split.

    Raises:
        DataError: the source cannot be used, most rows are bad, or none is left.
        ModelError: the tokenizer cannot end a response.
    """
    template = PromptTemplate(tokenizer, eos_ids, section.template, section.system)
    source = load_rows(section)
    columns = find_columns(section, source.columns)
    source = source.only(columns.used)
    rows = _Rows(source, columns)
    intake = _Intake(section, RowTokens(section, template, eos_ids), rows)
    dropped: dict[str, Tally] = {}
    for number, raw in enumerate(source, start=1):
        try:
            intake.take(read_row(raw, columns), number)
        except BadRow as reason:
            dropped.setdefault(str(reason), Tally()).add(number)
    _check_rows_left(section, len(source), len(rows), dropped)
    train, held_out = _split(rows, section)
    sizes = [rows.lengths(i) for i in range(len(rows))]
    report = DataReport(
        source=section.source,
        columns=str(columns),
        unused=tuple(name for name in source.columns if name not in columns.used),
        rows=len(source),
        train=len(train),
        held_out=len(held_out),
        dropped=dropped,
        cut=intake.cut,
        remarks=intake.remarks,
        longest=max(map(sum, sizes)),
        prompts=lengths([prompt for prompt, _ in sizes]),
        responses=lengths([response for _, response in sizes]),
        template=template.name,
        end_token=tokenizer.decode([template.end_id]),
    )
    return DemonstrationData(Demonstrations(rows, train), Demonstrations(rows, held_out), template, report)


class _Intake:
    """Takes rows in, by the rules of the configuration."""

    def __init__(self, section: DataSection, tokens: RowTokens, rows: _Rows) -> None:
        self.cut: dict[str, Tally] = {}
        self.remarks: dict[str, Tally] = {}
        self._drops_duplicates = section.duplicates == "drop"
        self._tokens, self._rows = tokens, rows
        self._seen: set[bytes] = set()

    def take(self, row: Row, number: int) -> None:
        """Keep a row.

        Raises:
            BadRow: it cannot be used.
            DataError: no such row can be used, or it is over-long and the policy is "error".
        """
        pair = self._tokens.pair(row, number)
        key = hashlib.blake2b(repr((pair.prompt, pair.response)).encode(), digest_size=16).digest()
        if self._drops_duplicates and key in self._seen:
            raise BadRow(_DUPLICATE)
        self._seen.add(key)
        fitted = self._tokens.fit(pair.prompt, pair.response, number)
        for reason in fitted.cut:
            self.cut.setdefault(reason, Tally()).add(number)
        for remark in self._tokens.remarks(row, pair, number):
            self.remarks.setdefault(remark, Tally()).add(number)
        self._rows.add(number - 1, fitted.prompt, fitted.response, ended=fitted.ended)


def _check_rows_left(section: DataSection, read: int, kept: int, dropped: dict[str, Tally]) -> None:
    reasons = "\n".join(f"  {reason}: {tally}" for reason, tally in dropped.items())
    if kept == 0:
        raise DataError(f"{section.source}: none of {read} rows can be used:\n{reasons}", _advice(dropped))
    bad = sum(tally.count for reason, tally in dropped.items() if not _is_policy(reason))
    if bad > read / 2:
        raise DataError(f"{section.source}: {bad} of {read} rows are bad:\n{reasons}", _advice(dropped))


def _advice(dropped: Mapping[str, Tally]) -> str:
    """For the commonest reason."""
    reason = max(dropped, key=lambda reason: dropped[reason].count)
    if reason == INNER_END:
        return "The template closes every response itself: take the end-of-sequence token out of the completions."
    if reason == FORMATTED:
        return 'Set data.template = "none" to take prompts and completions as they are.'
    if reason.startswith("the chat template opens"):
        return f"Put the reasoning into each answer, or {_OWN_TEMPLATE}"
    if reason.startswith("the chat template"):
        return f"S{_OWN_TEMPLATE[1:]}, or leave out such messages."
    if _is_policy(reason):
        return 'Raise data.max_prompt_tokens and data.max_response_tokens, or set data.overlong = "truncate".'
    return "Check data.columns, or clean the file."


def _is_policy(reason: str) -> bool:
    """Dropped by a rule of the configuration, and not for being bad."""
    return reason == _DUPLICATE or reason.startswith((f"prompt{OVERLONG}", f"response{OVERLONG}"))


def _split(rows: _Rows, section: DataSection) -> tuple[list[int], list[int]]:
    """Row indices of train and held out; all rows of a prompt on one side, chosen by a hash of the prompt alone."""
    by_prompt: dict[bytes, list[int]] = {}
    for i in range(len(rows)):
        digest = hashlib.blake2b(repr(rows.tokens(i)[0]).encode(), digest_size=16).digest()
        by_prompt.setdefault(digest, []).append(i)
    wanted = 0
    if section.held_out and section.max_held_out and len(by_prompt) > 1:
        wanted = min(max(1, round(section.held_out * len(by_prompt))), len(by_prompt) - 1)
    held_out: list[int] = []
    taken = 0
    for digest in sorted(by_prompt):
        if taken == wanted or len(held_out) == section.max_held_out:
            break
        if len(held_out) + len(by_prompt[digest]) <= section.max_held_out:
            held_out += by_prompt[digest]
            taken += 1
    kept_out = set(held_out)
    return [i for i in range(len(rows)) if i not in kept_out], held_out
