"""The demonstrations of a run: tokenised once, split by prompt, kept compactly.

Token ids lie in flat arrays (4 bytes per token); texts stay in the memory-mapped rows and are read when asked for.
"""

from __future__ import annotations

import gc
import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from irltui.api import Demonstration, Known, Prompt
from irltui.config.schema import DataSection
from irltui.data.columns import FIRST, Columns, find_columns
from irltui.data.intake import DUPLICATE, Intake
from irltui.data.progress import Progress
from irltui.data.prompts import Prompts, load_prompts
from irltui.data.row import NOT_A_DEMONSTRATION, Row, read_turns
from irltui.data.source import Rows, load_rows, local_path
from irltui.data.template import FORMATTED, PromptTemplate
from irltui.data.tokens import INNER_END, OVERLONG, Fitted
from irltui.data.unread import joined_texts, left_out_files, unread_columns
from irltui.errors import DataError
from irltui.runs.data_report import DataReport, Finding, Lengths, Tally

_OWN_TEMPLATE = "set data.template to a Jinja file that fits these conversations"
_POLL_EVERY = 64  # rows
_READ_AHEAD = 256  # rows
_ENDS = " .,;:!?\u2026"
_KEYS = ("messages", "prompt", "completion")


class _Rows:
    """Flat storage of tokenised demonstrations, in the order of the source."""

    def __init__(self, everything: Rows, columns: Columns, name: str, *, every_turn: bool) -> None:
        self._source, self._everything, self._columns = everything.only(columns.used), everything, columns
        self._name, self._every_turn = name, every_turn
        self.row = array("q")  # index into the source
        self.turn = array("h")  # which of the row's answers, counted from 0
        self.ended = array("b")
        self.prompt_hashes = array("q")  # of the normalised text, as `prompt_keys` says
        self.response_hashes = array("q")
        self._tokens = array("i")
        self.ends = array("q")  # where each row's prompt, then its response, ends in `_tokens`
        self._groups = bytearray()  # 16 bytes each; those with the same lie on one side of the split

    def __len__(self) -> int:
        return len(self.row)

    def add(self, place: int, turn: int, fitted: Fitted, group: bytes, row: Row) -> None:
        self.row.append(place)
        self.turn.append(turn)
        self.ended.append(fitted.ended)
        self.prompt_hashes.append(hash(" ".join(row.prompt_text.casefold().split()).strip(_ENDS)))
        self.response_hashes.append(hash(row.completion))
        for ids in (fitted.prompt, fitted.response):
            self._tokens.extend(ids)
            self.ends.append(len(self._tokens))
        self._groups += group

    def tokens(self, i: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        start = self.ends[2 * i - 1] if i else 0
        middle, end = self.ends[2 * i], self.ends[2 * i + 1]
        return tuple(self._tokens[start:middle]), tuple(self._tokens[middle:end])

    def digest(self) -> bytes:
        digest = hashlib.blake2b(digest_size=16)
        for column in (self.row, self.ended, self._tokens, self.ends):
            digest.update(column)
        return digest.digest()

    def first_beyond(self, limit: int) -> tuple[str, int] | None:
        """The first id at or above a limit, with its source and row."""
        over = np.flatnonzero(np.frombuffer(self._tokens, dtype=np.int32) >= limit)
        if not len(over):
            return None
        at = int(over[0])
        place = int(np.searchsorted(np.asarray(self.ends), at, side="right")) // 2
        return f"{self._source.name}: row {self.row[place] + 1}", self._tokens[at]

    def groups(self) -> NDArray[np.uint64]:
        """The 128 bits of each demonstration's group, (demonstrations, 2), the higher ones first."""
        return np.frombuffer(self._groups, dtype=">u8").reshape(-1, 2).astype(np.uint64)

    def demonstration(self, i: int) -> Demonstration:
        return self._made(i, self._source[self.row[i]])

    def demonstrations(self, places: Sequence[int]) -> Iterator[Demonstration]:
        raws = self._source.at([self.row[i] for i in places])
        return map(self._made, places, raws)

    def _made(self, i: int, raw: Mapping[str, Any]) -> Demonstration:
        row = self.row[i]
        name, read = f"{self._name}-{row + 1}", read_turns(raw, self._columns)[self.turn[i]]
        if self._every_turn:
            name += f".{self.turn[i] + 1}"
        prompt, response = self.tokens(i)
        asked = Prompt(name, read.prompt_text, prompt, partial(self._known, i))
        return Demonstration(name, asked, read.completion, response, bool(self.ended[i]))

    def _known(self, i: int) -> Known:
        raw = self._everything.at([self.row[i]])[0]
        return read_turns(raw, self._columns)[self.turn[i]].known(raw, self._made(i, raw))


class Demonstrations(Sequence[Demonstration]):
    """Some of the rows, in a fixed order."""

    def __init__(self, rows: _Rows, indices: NDArray[np.int64]) -> None:
        self.rows, self._indices = rows, np.asarray(indices, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, i: int) -> Demonstration: ...
    @overload
    def __getitem__(self, i: slice) -> Demonstrations: ...
    def __getitem__(self, i: int | slice) -> Demonstration | Demonstrations:
        if isinstance(i, slice):
            return Demonstrations(self.rows, self._indices[i])
        return self.rows.demonstration(int(self._indices[i]))

    def __iter__(self) -> Iterator[Demonstration]:
        for start in range(0, len(self), _READ_AHEAD):
            yield from self.rows.demonstrations(self._indices[start : start + _READ_AHEAD].tolist())

    def number(self, i: int) -> int:
        """The number (1-based) of a demonstration's row in the source."""
        return self.rows.row[int(self._indices[i])] + 1

    def lengths(self) -> NDArray[np.int64]:
        """Token lengths of prompts and responses, (2, demonstrations)."""
        ends = np.asarray(self.rows.ends, dtype=np.int64)
        return np.diff(ends, prepend=0).reshape(-1, 2).T[:, self._indices]

    def prompt_keys(self) -> NDArray[np.int64]:
        """The same for prompts of the same text, but for case, spaces, and spaces and punctuation at both ends."""
        return np.asarray(self.rows.prompt_hashes)[self._indices]

    def response_keys(self) -> NDArray[np.int64]:
        """The same for responses of the same text."""
        return np.asarray(self.rows.response_hashes)[self._indices]

    def prompts(self) -> Iterator[tuple[int, ...]]:
        """Ids of each prompt."""
        return (self.rows.tokens(i)[0] for i in self._indices.tolist())

    def digest(self) -> bytes:
        return hashlib.blake2b(self.rows.digest() + self._indices.tobytes(), digest_size=16).digest()


@dataclass(frozen=True)
class DemonstrationData:
    """The demonstrations that train, those held out, and how they were read."""

    train: Demonstrations
    held_out: Demonstrations
    template: PromptTemplate
    report: DataReport
    prompts: Sequence[Prompt] = ()
    """Those of data.prompts, without demonstrations."""

    def first_beyond(self, limit: int) -> tuple[str, int] | None:
        """Source and row of the first id at or above a limit, and that id; None if there is none."""
        return self.train.rows.first_beyond(limit) or self.held_out.rows.first_beyond(limit)

    @property
    def digest(self) -> str:
        more = self.prompts.digest() if isinstance(self.prompts, Prompts) else b""
        return hashlib.blake2b(self.train.digest() + self.held_out.digest() + more, digest_size=16).hexdigest()


def load_demonstrations(
    section: DataSection, tokenizer: Any, eos_ids: frozenset[int], progress: Progress | None = None
) -> DemonstrationData:
    """Read, check, tokenise and split; `eos_ids` end a response, `progress` gets the number of rows that are done.

    Raises:
        DataError: the source cannot be used, most rows are bad, or none is left.
        ModelError: the tokenizer cannot end a response.
    """
    template = PromptTemplate(tokenizer, eos_ids, section.template, section.system)
    progress = progress or Progress()
    read = _read(section, template, eos_ids, progress)
    found: Iterable[Finding] = left_out_files(read.source.left_out, section.split)
    if isinstance(section.held_out, str) and section.max_held_out:
        train, (held_out, found) = read.all, _held_out(section, template, eos_ids, progress)
    else:
        train, held_out = _split(read.rows, section)
    more = load_prompts(section, template, eos_ids, progress) if section.prompts else ()
    intake, columns, source = read.intake, read.columns, read.source
    prompts, responses = np.concatenate([train.lengths(), held_out.lengths()], axis=1)
    report = DataReport(
        source=section.source,
        columns=str(columns),
        unused=tuple(name for name in source.columns if name not in columns.used),
        rows=len(source),
        train=len(train),
        held_out=len(held_out),
        dropped=intake.dropped,
        truncated=intake.truncated,
        remarks=intake.remarks,
        longest=int((prompts + responses).max()),
        prompts=_lengths(prompts),
        responses=_lengths(responses),
        template=template.name,
        end_token=tokenizer.decode([template.end_id]),
        findings=(
            *found,
            *unread_columns(columns, source.columns, source.first(FIRST)),
            *intake.fields.findings(),
            *joined_texts(columns, section.system, plain=template.is_plain),
            *(more.findings() if more else ()),
        ),
    )
    return DemonstrationData(train, held_out, template, report, more)


@dataclass(frozen=True)
class _Read:
    source: Rows
    columns: Columns
    intake: Intake
    rows: _Rows

    @property
    def all(self) -> Demonstrations:
        return Demonstrations(self.rows, np.arange(len(self.rows)))


def _read(
    section: DataSection, template: PromptTemplate, eos_ids: frozenset[int], progress: Progress, name: str = "row"
) -> _Read:
    """The demonstrations of a source, each called `name` and its row's number."""
    source = load_rows(section, progress)
    columns = find_columns(section, source.columns, source.first(FIRST))
    rows = _Rows(source, columns, name, every_turn=section.turns == "all" and bool(columns.messages))
    intake = Intake(section, template, eos_ids, rows.add)
    gc.freeze()  # what exists now is not looked through for garbage while rows come and go
    try:
        for number in intake.take(source.only(columns.used), columns):
            if number % _POLL_EVERY == 0:
                progress.step(number, f"of {len(source):,} rows tokenised")
    finally:
        gc.unfreeze()
    _check_rows_left(section, columns, len(source), len(rows), intake.dropped)
    return _Read(source, columns, intake, rows)


def _held_out(
    section: DataSection, template: PromptTemplate, eos_ids: frozenset[int], progress: Progress
) -> tuple[Demonstrations, list[Finding]]:
    """The demonstrations of the split or the file that data.held_out names, and what became of its rows.

    Raises:
        DataError: there is no such split or file, or it cannot be used.
    """
    named = str(section.held_out)
    of_file = section.model_copy(update={"source": named, "limit": section.max_held_out})
    if local_path(of_file) is not None:
        section = of_file
    elif (path := local_path(section)) is not None and not path.is_dir():
        raise DataError(
            f'data.held_out: "{named}" is no file, and data.source, {section.source}, is one file without splits',
            "Name a file with demonstrations, or give the share of prompts to hold out, such as 0.1.",
        )
    else:
        section = section.model_copy(update={"split": named, "limit": section.max_held_out})
    try:
        read = _read(section, template, eos_ids, progress, "held-out")
    except DataError as error:
        raise DataError(f"data.held_out: {error.message}", error.hint) from error
    dropped = "".join(f"; dropped, {reason}: {tally}" for reason, tally in read.intake.dropped.items())
    text = f'{len(read.rows)} demonstrations of "{named}" are held out, at most data.max_held_out{dropped}'
    return read.all[: section.max_held_out], [Finding("note", "data.held_out", text)]


def _check_rows_left(section: DataSection, columns: Columns, read: int, kept: int, dropped: dict[str, Tally]) -> None:
    reasons = "\n".join(f"  {reason}: {tally}" for reason, tally in dropped.items())
    if kept == 0:
        raise DataError(f"{section.source}: none of {read} rows can be used:\n{reasons}", _advice(dropped, columns))
    bad = sum(tally.count for reason, tally in dropped.items() if not _is_policy(reason))
    if bad > read / 2:
        raise DataError(f"{section.source}: {bad} of {read} rows are bad:\n{reasons}", _advice(dropped, columns))


def _advice(dropped: Mapping[str, Tally], columns: Columns) -> str:
    """The remedy for the most frequent reason."""
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
    if reason.startswith("completion is a list of messages"):
        return f'If it holds whole conversations, set data.columns.messages = "{columns.completion}".'
    named = " and ".join(f'data.columns.{key} = "{getattr(columns, key)}"' for key in _KEYS if getattr(columns, key))
    return f"Those rows do not hold what {named} says: name other columns, or fix the rows."


def _is_policy(reason: str) -> bool:
    """Whether a row was dropped by configuration, not because it is bad."""
    by_length = f"prompt{OVERLONG}", f"response{OVERLONG}"
    return reason in {DUPLICATE, NOT_A_DEMONSTRATION} or reason.startswith(by_length)


def _split(rows: _Rows, section: DataSection) -> tuple[Demonstrations, Demonstrations]:
    """Training and held-out rows; a hash of the prompt decides, so that a prompt is never on both sides."""
    groups = rows.groups()
    order = np.lexsort((groups[:, 1], groups[:, 0]))  # by group, then as they come
    starts = np.flatnonzero(np.any(np.diff(groups[order], axis=0), axis=1)) + 1
    wanted, count = 0, len(starts) + 1
    if isinstance(section.held_out, float) and section.held_out and section.max_held_out and count > 1:
        wanted = min(max(1, round(section.held_out * count)), count - 1)
    held_out: list[int] = []
    taken = 0
    for start, end in pairwise([0, *starts.tolist(), len(order)]):
        if taken == wanted or len(held_out) == section.max_held_out:
            break
        if len(held_out) + end - start <= section.max_held_out:
            held_out += order[start:end].tolist()
            taken += 1
    trains = np.ones(len(order), dtype=bool)
    trains[held_out] = False
    return Demonstrations(rows, np.flatnonzero(trains)), Demonstrations(rows, np.asarray(held_out, dtype=np.int64))


def _lengths(values: NDArray[np.int64]) -> Lengths:
    """Statistics of at least one length."""
    ordered = np.sort(values)
    last = len(ordered) - 1
    median, p95, longest = (int(ordered[i]) for i in (last // 2, int(last * 0.95), last))
    return Lengths(int(ordered.sum()) / len(ordered), median, p95, longest)
