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

Keep: TypeAlias = Callable[[int, int, Fitted, bytes], None]
"""Takes a row's index, which of its answers it is, its ids, and 16 bytes: those with the same stay together."""


@dataclass(frozen=True, slots=True)
class _Written:
    """A demonstration as text, and how many answers its row has."""

    number: int
    turn: int
    answers: int
    group: bytes
    row: Row
    texts: Texts


@dataclass(frozen=True, slots=True)
class _Bad:
    """A row, or an answer of one, that cannot be used."""

    number: int
    reason: BadRow | DataError


_Read: TypeAlias = list[_Written | _Bad]


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
        for rows, pairs in _one_ahead(_batches(read), self._encoded):
            for row in rows:
                for demonstration in row:
                    self._take(demonstration, pairs)
                yield row[0].number

    def _read(self, raw: Mapping[str, Any], columns: Columns, number: int) -> _Read:
        try:
            turns = read_turns(raw, columns)
        except BadRow as reason:
            return [_Bad(number, reason)]
        every = self._section.turns == "all"
        group = _digest(turns[0].system, turns[0].prompt) if every and columns.messages else b""
        found: _Read = []
        for turn in range(len(turns)) if every else [len(turns) - 1]:
            try:
                texts = self._tokens.texts(turns[turn], number)
            except (BadRow, DataError) as reason:
                found.append(_Bad(number, reason))
            else:
                found.append(_Written(number, turn, len(turns), group, turns[turn], texts))
        return found

    def _encoded(self, rows: Sequence[_Read]) -> Iterator[Pair]:
        return iter(self._tokens.encoded([one.texts for row in rows for one in row if isinstance(one, _Written)]))

    def _take(self, one: _Written | _Bad, pairs: Iterator[Pair]) -> None:
        try:
            if isinstance(one, _Bad):
                raise one.reason
            self._keep(one, next(pairs))
        except BadRow as reason:
            self._drop(str(reason), one.number)
        else:
            self.fields.see(one.row, one.number, one.answers)

    def _keep(self, one: _Written, pair: Pair) -> None:
        self._tokens.check(pair)
        key = _key(pair)
        if self._section.duplicates == "drop" and key in self._seen:
            raise BadRow(DUPLICATE)
        self._seen.add(key)
        fitted = self._tokens.fit(pair.prompt, pair.response, one.number)
        for reason in fitted.cut:
            self.cut.setdefault(reason, Tally()).add(one.number)
        for remark in self._tokens.remarks(one.row, pair, one.number):
            self.remarks.setdefault(remark, Tally()).add(one.number)
        self._keep_it(one.number - 1, one.turn, fitted, one.group or _digest(fitted.prompt))

    def _drop(self, reason: str, number: int) -> None:
        if len(self.dropped) >= _REASONS and reason not in self.dropped:
            reason = "other reasons"
        self.dropped.setdefault(reason, Tally()).add(number)


def _batches(read: Iterable[_Read]) -> Iterator[list[_Read]]:
    """Rows in lists that are worth encoding at once, and take little memory as ids."""
    rows: list[_Read] = []
    characters = 0
    for row in read:
        rows.append(row)
        characters += sum(len(one.texts.prompt + one.texts.response) for one in row if isinstance(one, _Written))
        if len(rows) == _AT_ONCE or characters > _CHARACTERS:
            yield rows
            rows = []
            characters = 0
    if rows:
        yield rows


def _one_ahead(
    batches: Iterable[list[_Read]], work: Callable[[list[_Read]], Iterator[Pair]]
) -> Iterator[tuple[list[_Read], Iterator[Pair]]]:
    """Each batch with what was made of it, while the next one is made and worked on in another thread."""
    with ThreadPoolExecutor(1, "tokenizer") as thread:
        waiting: tuple[list[_Read], Future[Iterator[Pair]]] | None = None
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
