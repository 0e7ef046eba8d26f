"""Turns raw rows into demonstrations, by the rules of the configuration and in their order.

Rows become text one by one and ids in batches: while a thread tokenises one batch, the main thread writes the next and
stores the last.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

from irltui.config.schema import DataSection
from irltui.data.columns import Columns
from irltui.data.encoding import Pair, Texts
from irltui.data.groups import groups
from irltui.data.messages import BadRow
from irltui.data.row import Row, read_turns
from irltui.data.template import PromptTemplate
from irltui.data.tokens import Fitted, RowTokens
from irltui.data.unread import UnreadFields
from irltui.errors import DataError
from irltui.runs.data_report import Tally

DUPLICATE = "duplicate"
_AT_ONCE = 512  # rows that are encoded together,
_CHARACTERS = 500_000  # or fewer where they are this long
_REASONS = 32  # that are counted separately

Store: TypeAlias = Callable[[int, int, Fitted, bytes, Row], None]
"""Takes a row's index, which of its answers it is, its ids, 16 bytes of its group (not split up), and its text."""


@dataclass(slots=True)
class _Pending:
    """A demonstration that is not tokenised yet, and how many answers its row has."""

    number: int
    turn: int
    answers: int
    group: bytes
    row: Row


@dataclass(frozen=True, slots=True)
class _Bad:
    """A row without a demonstration."""

    number: int
    reason: BadRow


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows, and the texts of each `_Pending` among them."""

    rows: Sequence[Sequence[_Pending | _Bad]]
    texts: Sequence[Texts | BadRow | DataError]


class Intake:
    """Reads the rows of one source; `store` is given each demonstration."""

    def __init__(self, section: DataSection, template: PromptTemplate, eos_ids: frozenset[int], store: Store) -> None:
        self.truncated: dict[str, Tally] = {}
        self.dropped: dict[str, Tally] = {}
        self.remarks: dict[str, Tally] = {}
        self.fields = UnreadFields(template.mentions, section.turns)
        self._section, self._template, self._store = section, template, store
        self._tokens = RowTokens(section, template, eos_ids)
        self._seen: set[bytes] = set()

    def take(self, source: Iterable[Mapping[str, Any]], columns: Columns) -> Iterator[int]:
        """Keep each row's demonstrations, or count why not; after each row its number comes (1-based).

        Raises:
            DataError: no such row can be used, or one is over-long and the policy is "error".
        """
        read = (self._read(raw, columns, number) for number, raw in enumerate(source, start=1))
        together = groups(read, _characters, most=_AT_ONCE, largest=_CHARACTERS)
        for batch, pairs in _one_ahead(map(self._written, together), self._encoded):
            texts = iter(batch.texts)
            for row in batch.rows:
                for one in row:
                    self._take(one, texts, pairs)
                yield row[0].number

    def _read(self, raw: Mapping[str, Any], columns: Columns, number: int) -> list[_Pending | _Bad]:
        try:
            turns = read_turns(raw, columns)
        except BadRow as reason:
            return [_Bad(number, reason)]
        if self._section.turns == "last":
            return [_Pending(number, len(turns) - 1, len(turns), b"", turns[-1])]
        group = _digest(turns[0].system, turns[0].prompt) if columns.messages else b""
        return [_Pending(number, i, len(turns), group, turn) for i, turn in enumerate(turns)]

    def _written(self, rows: Sequence[Sequence[_Pending | _Bad]]) -> _Batch:
        pending = [one for row in rows for one in row if isinstance(one, _Pending)]
        return _Batch(rows, self._tokens.texts([one.row for one in pending], [one.number for one in pending]))

    def _encoded(self, batch: _Batch) -> Iterator[Pair]:
        return iter(self._template.encoded([text for text in batch.texts if isinstance(text, Texts)]))

    def _take(self, one: _Pending | _Bad, texts: Iterator[Texts | BadRow | DataError], pairs: Iterator[Pair]) -> None:
        text = one.reason if isinstance(one, _Bad) else next(texts)
        if isinstance(text, DataError):
            raise text
        if isinstance(one, _Bad) or isinstance(text, BadRow):
            self._drop(str(text), one.number)
            return
        try:
            self._keep(one, next(pairs))
        except BadRow as reason:
            self._drop(str(reason), one.number)
        else:
            self.fields.see(one.row, one.number, one.answers)

    def _keep(self, one: _Pending, pair: Pair) -> None:
        self._tokens.check(pair)
        if self._section.duplicates == "drop":
            if (key := _key(pair)) in self._seen:
                raise BadRow(DUPLICATE)
            self._seen.add(key)
        fitted = self._tokens.fit(pair.prompt, pair.response, one.number)
        for reason in fitted.truncated:
            self.truncated.setdefault(reason, Tally()).add(one.number)
        for remark in self._tokens.remarks(one.row, pair, one.number):
            self.remarks.setdefault(remark, Tally()).add(one.number)
        group = one.group or _digest(fitted.prompt)
        self._store(one.number - 1, one.turn, fitted, group, one.row)

    def _drop(self, reason: str, number: int) -> None:
        if len(self.dropped) >= _REASONS and reason not in self.dropped:
            reason = "other reasons"
        self.dropped.setdefault(reason, Tally()).add(number)


def _characters(row: Sequence[_Pending | _Bad]) -> int:
    return sum(one.row.size for one in row if isinstance(one, _Pending))


def _one_ahead(
    batches: Iterable[_Batch], work: Callable[[_Batch], Iterator[Pair]]
) -> Iterator[tuple[_Batch, Iterator[Pair]]]:
    """Each batch with what was made of it, while the next one is made and worked on in another thread."""
    with ThreadPoolExecutor(1, "tokenizer") as thread:
        waiting: tuple[_Batch, Future[Iterator[Pair]]] | None = None
        for batch in batches:
            coming = batch, thread.submit(work, batch)
            if waiting is not None:
                yield waiting[0], waiting[1].result()
            waiting = coming
        if waiting is not None:
            yield waiting[0], waiting[1].result()


def _digest(*content: Any) -> bytes:
    return hashlib.blake2b("".join(map(repr, content)).encode(), digest_size=16).digest()


def _key(pair: Pair) -> bytes:
    """The same for the same ids; 64 bits, for a million rows have a million of them in memory."""
    ids = array("i", (len(pair.prompt), *pair.prompt, *pair.response))
    return hashlib.blake2b(ids, digest_size=8).digest()
