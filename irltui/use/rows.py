"""Rows of any data source, tokenised as in a run; an unusable row keeps its place, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from irltui.api import Known, Prompt
from irltui.config.schema import DataSection
from irltui.data.columns import FIRST, Columns, find_columns, find_prompt_columns, with_detected_columns
from irltui.data.messages import BadRow
from irltui.data.row import Row, read_prompt, read_turns
from irltui.data.source import Rows, load_rows
from irltui.data.tokens import Fitted, RowTokens


@dataclass(frozen=True, slots=True)
class UsableRow:
    """Row `number` (1-based) with its ids; if only prompts are read, the response has none.

    With data.turns = "all", `earlier` are the other answers of a conversation that train.
    """

    number: int
    row: Row
    fitted: Fitted
    known: Callable[[], Known]
    earlier: tuple[UsableRow, ...] = ()

    @property
    def turns(self) -> tuple[UsableRow, ...]:
        return (*self.earlier, self)

    @property
    def prompt(self) -> Prompt:
        return Prompt(f"row-{self.number}", self.row.prompt_text, self.fitted.prompt, self.known)


@dataclass(frozen=True, slots=True)
class UnusableRow:
    """Row `number` (1-based), and why it cannot be used."""

    number: int
    reason: str


@dataclass(frozen=True)
class Source:
    """Rows and the columns read from them; with `is_prompts` there is no completion.

    `everything` has the columns that are not read, too.
    """

    rows: Rows
    everything: Rows
    columns: Columns
    is_prompts: bool
    every_turn: bool = False

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, numbers: Iterable[int], tokens: RowTokens) -> list[UsableRow | UnusableRow]:
        """Read rows by 0-based index."""
        return [self._read(i, tokens) for i in numbers]

    def _read(self, i: int, tokens: RowTokens) -> UsableRow | UnusableRow:
        try:
            if self.is_prompts:
                row = read_prompt(self.rows[i], self.columns)
                return self._usable(i, row, tokens.fit(tokens.prompt(row, i + 1), (), i + 1))
            turns = read_turns(self.rows[i], self.columns)
        except BadRow as reason:
            return UnusableRow(i + 1, str(reason))
        found: list[UsableRow] = []
        why = ""
        for row in turns if self.every_turn else turns[-1:]:
            try:
                pair = tokens.pair(row, i + 1)
                found.append(self._usable(i, row, tokens.fit(pair.prompt, pair.response, i + 1)))
            except BadRow as reason:
                why = str(reason)
        return replace(found[-1], earlier=tuple(found[:-1])) if found else UnusableRow(i + 1, why)

    def _usable(self, i: int, row: Row, fitted: Fitted) -> UsableRow:
        return UsableRow(i + 1, row, fitted, lambda: row.known(self.everything.at([i])[0]))


def open_source(section: DataSection, *, prompts: bool = False, named: bool = True) -> Source:
    """Open the rows of a source, or its prompts alone.

    Columns that were not `named` for this source are detected again if they are missing.
    """
    rows = load_rows(section)
    if not named:
        section = with_detected_columns(section, rows.columns, prompts=prompts)
    find = find_prompt_columns if prompts else find_columns
    columns = find(section, rows.columns, rows.first(FIRST))
    every_turn = section.turns == "all" and not prompts
    return Source(rows.only(columns.used), rows, columns, prompts, every_turn)
