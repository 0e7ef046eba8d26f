"""Prompts without demonstrations, on which policy steps may train, too: `data.prompts`.

It takes what `data.source` takes. Completions are not needed, and columns are detected again if those named for the
demonstrations are not there.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterator, Sequence
from functools import partial
from typing import overload

from irltui.api import Known, Prompt
from irltui.config.schema import DataSection
from irltui.data.columns import FIRST, Columns, find_prompt_columns, with_detected_columns
from irltui.data.messages import BadRow
from irltui.data.progress import Progress
from irltui.data.row import read_prompt
from irltui.data.source import Rows, load_rows
from irltui.data.template import NO_PROMPT, PromptTemplate
from irltui.data.tokens import RowTokens
from irltui.errors import DataError
from irltui.runs.data_report import Finding, Tally

_POLL_EVERY = 64  # rows


class Prompts(Sequence[Prompt]):
    """Tokenised prompts in the order of their source; texts stay there. `dropped`: rows that are none, by reason."""

    def __init__(self, rows: Rows, columns: Columns) -> None:
        self.dropped: dict[str, Tally] = {}
        self._rows, self._columns = rows, columns
        self._row, self._ends, self._tokens = array("q"), array("q", [0]), array("i")

    def __len__(self) -> int:
        return len(self._row)

    @overload
    def __getitem__(self, i: int) -> Prompt: ...
    @overload
    def __getitem__(self, i: slice) -> list[Prompt]: ...
    def __getitem__(self, i: int | slice) -> Prompt | list[Prompt]:
        if isinstance(i, slice):
            return [self[j] for j in range(*i.indices(len(self)))]
        i = range(len(self))[i]
        row, tokens = self._row[i], tuple(self._tokens[self._ends[i] : self._ends[i + 1]])
        text = read_prompt(self._rows.at([row])[0], self._columns).prompt_text
        return Prompt(f"prompt-{row + 1}", text, tokens, partial(self._known, row))

    def add(self, row: int, tokens: tuple[int, ...]) -> None:
        self._row.append(row)
        self._tokens.extend(tokens)
        self._ends.append(len(self._tokens))

    def drop(self, row: int, reason: str) -> None:
        self.dropped.setdefault(reason, Tally()).add(row + 1)

    def findings(self) -> Iterator[Finding]:
        """How many there are, and what was dropped."""
        dropped = "".join(f"; dropped, {reason}: {tally}" for reason, tally in self.dropped.items())
        yield Finding("note", "data.prompts", f"{len(self)} prompts without demonstrations{dropped}")

    def digest(self) -> bytes:
        """Of the ids, and of the rows that they come from."""
        return hashlib.blake2b(bytes(self._row) + bytes(self._ends) + bytes(self._tokens), digest_size=16).digest()

    def _known(self, row: int) -> Known:
        raw = self._rows.at([row])[0]
        return read_prompt(raw, self._columns).known(raw)


def load_prompts(
    section: DataSection, template: PromptTemplate, eos_ids: frozenset[int], progress: Progress
) -> Prompts:
    """The prompts of `data.prompts`, each once, within `data.max_prompt_tokens`.

    Raises:
        DataError: the source cannot be used, or none is left.
    """
    section = section.model_copy(update={"source": section.prompts, "limit": "all"})
    try:
        rows = load_rows(section, progress)
        section = with_detected_columns(section, rows.columns, prompts=True)
        columns = find_prompt_columns(section, rows.columns, rows.first(FIRST))
    except DataError as error:
        raise DataError(error.message.replace("data.source", "data.prompts"), error.hint) from error
    found, tokens, seen = Prompts(rows, columns), RowTokens(section, template, eos_ids), set[tuple[int, ...]]()
    for i, raw in enumerate(rows):
        if i % _POLL_EVERY == 0:
            progress.step(i, f"of {len(rows):,} prompts tokenised")
        try:
            ids = tokens.fit(tokens.prompt(read_prompt(raw, columns), i + 1), (), i + 1).prompt
            if not ids:
                raise BadRow(NO_PROMPT)
            if ids in seen and section.duplicates == "drop":
                raise BadRow("duplicate")
        except BadRow as reason:
            found.drop(i, str(reason))
        else:
            seen.add(ids)
            found.add(i, ids)
    if not found:
        reasons = "; ".join(f"{reason}: {tally}" for reason, tally in found.dropped.items())
        raise DataError(f"data.prompts: {section.source}: none of {len(rows)} rows can be used: {reasons}")
    return found
