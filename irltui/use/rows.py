"""Rows of any data source, tokenised as in a run; an unusable row keeps its place, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from irltui.api import Known, Prompt
from irltui.config.schema import DataSection
from irltui.data.columns import FIRST, Columns, find_columns, find_prompt_columns, named_anew
from irltui.data.messages import BadRow
from irltui.data.row import Row, read_prompt, read_row
from irltui.data.source import Rows, load_rows
from irltui.data.tokens import Fitted, RowTokens


@dataclass(frozen=True, slots=True)
class UsableRow:
    """Row `number` (1-based) with its ids; if only prompts are read, the response has none."""

    number: int
    row: Row
    fitted: Fitted
    known: Callable[[], Known]

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

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, numbers: Iterable[int], tokens: RowTokens) -> list[UsableRow | UnusableRow]:
        """Read rows by 0-based index."""
        return [self._read(i, tokens) for i in numbers]

    def _read(self, i: int, tokens: RowTokens) -> UsableRow | UnusableRow:
        number = i + 1
        try:
            if self.is_prompts:
                row = read_prompt(self.rows[i], self.columns)
                ids, response = tokens.prompt(row, number), ()
            else:
                row = read_row(self.rows[i], self.columns)
                pair = tokens.pair(row, number)
                ids, response = pair.prompt, pair.response
            return UsableRow(
                number, row, tokens.fit(ids, response, number), lambda: row.known(self.everything.some([i])[0])
            )
        except BadRow as reason:
            return UnusableRow(number, str(reason))


def open_source(section: DataSection, *, prompts: bool = False, named: bool = True) -> Source:
    """Open the rows of a source, or its prompts alone.

    Columns that were not `named` for this source are detected again if they are missing.
    """
    rows = load_rows(section)
    if not named:
        section = named_anew(section, rows.columns, prompts=prompts)
    find = find_prompt_columns if prompts else find_columns
    columns = find(section, rows.columns, rows.first(FIRST))
    return Source(rows.only(columns.used), rows, columns, prompts)
