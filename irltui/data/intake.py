"""Takes raw rows in by the rules of the configuration: as text one by one, as ids many at once, in their order.

While the tokenizer works on some rows in a thread of its own, this one writes the next ones and keeps those before.
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
_REASONS = 32  # that are told apart

Keep: TypeAlias = Callable[[int, int, Fitted, bytes, Row], None]
"""Takes a row's index, which of its answers it is, its ids, 16 bytes (those with the same stay together), its text."""


@dataclass(slots=True)
class _Asked:
    """A demonstration that is to become ids, and how many answers its row has."""

    number: int
    turn: int
    answers: int
    group: bytes
    row: Row


@dataclass(frozen=True, slots=True)
class _Bad:
    """A row that has no demonstration."""

    number: int
    reason: BadRow


@dataclass(frozen=True, slots=True)
class _Batch:
    """Some rows, and what is written for each `_Asked` of theirs."""

    rows: Sequence[Sequence[_Asked | _Bad]]
    texts: Sequence[Texts | BadRow | DataError]


class Intake:
    """Takes the rows of one source in.

    Args:
        section: the configuration.
        template: of the model.
        eos_ids: ids that end a response.
        keep: is given each demonstration.
    """

    def __init__(self, section: DataSection, template: PromptTemplate, eos_ids: frozenset[int], keep: Keep) -> None:
        self.cut: dict[str, Tally] = {}
        self.dropped: dict[str, Tally] = {}
        self.remarks: dict[str, Tally] = {}
        self.fields = UnreadFields(template.mentions, section.turns)
        self._section, self._keep_it = section, keep
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

    def _read(self, raw: Mapping[str, Any], columns: Columns, number: int) -> list[_Asked | _Bad]:
        try:
            turns = read_turns(raw, columns)
        except BadRow as reason:
            return [_Bad(number, reason)]
        if self._section.turns == "last":
            return [_Asked(number, len(turns) - 1, len(turns), b"", turns[-1])]
        group = _digest(turns[0].system, turns[0].prompt) if columns.messages else b""
        return [_Asked(number, i, len(turns), group, turn) for i, turn in enumerate(turns)]

    def _written(self, rows: Sequence[Sequence[_Asked | _Bad]]) -> _Batch:
        asked = [one for row in rows for one in row if isinstance(one, _Asked)]
        return _Batch(rows, self._tokens.texts([one.row for one in asked], [one.number for one in asked]))

    def _encoded(self, batch: _Batch) -> Iterator[Pair]:
        return iter(self._tokens.encoded([text for text in batch.texts if isinstance(text, Texts)]))

    def _take(self, one: _Asked | _Bad, texts: Iterator[Texts | BadRow | DataError], pairs: Iterator[Pair]) -> None:
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

    def _keep(self, one: _Asked, pair: Pair) -> None:
        self._tokens.check(pair)
        if self._section.duplicates == "drop":
            if (key := _key(pair)) in self._seen:
                raise BadRow(DUPLICATE)
            self._seen.add(key)
        fitted = self._tokens.fit(pair.prompt, pair.response, one.number)
        for reason in fitted.cut:
            self.cut.setdefault(reason, Tally()).add(one.number)
        for remark in self._tokens.remarks(one.row, pair, one.number):
            self.remarks.setdefault(remark, Tally()).add(one.number)
        group = one.group or _digest(fitted.prompt)
        self._keep_it(one.number - 1, one.turn, fitted, group, one.row)

    def _drop(self, reason: str, number: int) -> None:
        if len(self.dropped) >= _REASONS and reason not in self.dropped:
            reason = "other reasons"
        self.dropped.setdefault(reason, Tally()).add(number)


def _characters(row: Sequence[_Asked | _Bad]) -> int:
    return sum(one.row.size for one in row if isinstance(one, _Asked))


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
