"""Findings about data that is not used, so that nothing in a row is ignored silently. Pure rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from irltui.data.columns import Columns
from irltui.data.messages import REASONING
from irltui.data.row import Row
from irltui.data.splits import split_to_hold_out
from irltui.runs.data_report import Finding, Tally

Raw = Mapping[str, Any]


def _named(words: str) -> re.Pattern[str]:
    """A name that has one of these words."""
    return re.compile(rf"(?:^|[^a-z])(?:{words})s?(?:$|[^a-z])")


_JUDGES = _named("score|rating|reward|quality|rank|vote|upvote|grade|like|label|weight")
_WORSE = _named("rejected|negative|loser|worse")
_ABOUT = _named(
    "id|uid|uuid|idx|index|hash|source|origin|dataset|subset|split|category|topic|domain|type|task|tag|url|link|lang|"
    "language|model|generator|author|license|created|date|time|timestamp|version|meta|metadata"
)
_WORDY = 1.5  # words on average that may be part of a question or an answer
_MOST = 12  # columns that one finding names


def left_out_files(files: Sequence[str], split: str) -> Iterator[Finding]:
    """A note on the files of a folder that belong to other splits."""
    if files:
        more = f" and {len(files) - _MOST} more" if len(files) > _MOST else ""
        text = f'files of other splits than "{split}" are not read: {", ".join(files[:_MOST])}{more}'
        offered = split_to_hold_out(files)
        remedy = f'data.held_out = "{offered}" measures on that split, instead of on a share of "{split}".'
        yield Finding("note", "data.split", text, remedy if offered else "")


def joined_texts(columns: Columns, system: str, *, plain: bool) -> Iterator[Finding]:
    """How a system message, of every row or `system`, becomes text where there is no chat template."""
    for key, what, given, without in (
        ("data.columns.system", f'the text of "{columns.system}"', columns.system, '"off"'),
        ("data.system", "its text", system, '""'),
    ):
        if plain and given:
            text = f"no chat template: {what} stands before the prompt, an empty line between the two"
            yield Finding("note", key, text, f"{key} = {without} leaves it out.")


def unread_columns(columns: Columns, names: Sequence[str], first: Sequence[Raw]) -> Iterator[Finding]:
    """A finding for each column that may matter and is not read, by the first rows; one for all the others."""
    others = []
    for name in (name for name in names if name not in columns.used):
        values = [value for raw in first if (value := raw.get(name)) not in (None, "", [], {})]
        repeats = not _WORSE.search(name.lower()) and _repeats(name, columns.used, first)
        if not values or repeats:
            others.append(name)
        elif finding := _of_column(name, values, columns):
            yield finding
        else:
            others.append(name)
    if others:
        more = f" and {len(others) - _MOST} more" if len(others) > _MOST else ""
        yield Finding("note", "data.columns", f"columns that are not read: {', '.join(others[:_MOST])}{more}")


def _of_column(name: str, values: Sequence[Any], columns: Columns) -> Finding | None:
    lowered = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
    if _WORSE.search(lowered):
        text = f'column "{name}" is not read: only the better answers are demonstrations'
        return Finding("note", "data.columns", text)
    if _JUDGES.search(lowered):
        text = f'column "{name}" is not read: all rows are demonstrations, whatever it says of them'
        return Finding(
            "warning", "data.columns", text, "If it tells good answers from bad ones, keep only the good rows."
        )
    if _ABOUT.search(lowered) or not _is_content(values):
        return None
    remedy = "If it belongs to the prompt or the answer, put it there; otherwise nothing needs doing."
    if isinstance(values[0], str) and columns.prompt and not columns.input:
        remedy = f'If it belongs to the prompt, set data.columns.input = "{name}"; otherwise nothing needs doing.'
    what = "text" if isinstance(values[0], str) else "a list" if isinstance(values[0], list) else "objects"
    return Finding("warning", "data.columns", f'column "{name}" holds {what} and is not read', remedy)


def _is_content(values: Sequence[Any]) -> bool:
    if all(isinstance(value, str) for value in values):
        return fmean(len(value.split()) for value in values) >= _WORDY
    return any(isinstance(value, (list, Mapping)) for value in values)


def _repeats(name: str, used: Sequence[str], first: Sequence[Raw]) -> bool:
    """Whether a column holds what the columns in use hold, or the other way round (a text made of them)."""
    for raw in first:
        own, theirs = list(_texts(raw.get(name))), [text for column in used for text in _texts(raw.get(column))]
        both = "\n".join(theirs)
        if not (own and all(text in both for text in own)):
            joined = "\n".join(own)
            if not (theirs and all(text in joined for text in theirs)):
                return False
    return bool(first)


def _texts(value: Any) -> Iterator[str]:
    """All texts in a value, without spaces around."""
    if isinstance(value, str):
        if found := value.strip():
            yield found
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


class UnreadFields:
    """Counts what messages hold and nothing reads; `mentions` tells whether the chat template names a field."""

    def __init__(self, mentions: Callable[[str], bool], turns: str) -> None:
        self._mentions, self._turns = mentions, turns
        self._known: dict[str, bool] = {}
        self._fields: dict[str, Tally] = {}
        self._more_turns, self._weights = Tally(), Tally()

    def see(self, row: Row, number: int, answers: int) -> None:
        """Look at a demonstration of a row that has so many answers that could train."""
        if answers > 1 and self._turns == "last":
            self._more_turns.add(number)
        if row.weight != 1:
            self._weights.add(number)
        if row.tools:
            self._field("tools", number)
        messages = (row.answer,) if isinstance(row.prompt, str) else (*row.prompt, row.answer)
        for message in messages:
            if len(message) > 2:
                for name in message.keys() - {"role", "content"}:
                    self._field(name, number)

    def _field(self, name: str, number: int) -> None:
        if name not in self._known:
            names = REASONING if name in REASONING else (name,)
            self._known[name] = any(map(self._mentions, names))
        if not self._known[name]:
            tally = self._fields.setdefault(name, Tally())
            if not tally.rows or tally.rows[-1] != number:
                tally.add(number)

    def findings(self) -> Iterator[Finding]:
        """One for each kind of unused content."""
        for name, tally in self._fields.items():
            text = f'the chat template does not write the field "{name}", so it is not used: {tally}'
            remedy = "Use a model whose template has it, or data.template with a Jinja file that writes it."
            yield Finding(
                "warning" if name in {"tools", "tool_calls", *REASONING} else "note", "data.template", text, remedy
            )
        if self._weights.count:
            yield Finding(
                "warning",
                "data.columns.messages",
                f"answers with a weight that is neither 0 nor 1 train with weight 1: {self._weights}",
                "Set it to 0 to leave such an answer out.",
            )
        if self._more_turns.count:
            yield Finding(
                "note",
                "data.turns",
                f"conversations with several answers of the assistant, of which the last trains: {self._more_turns}",
                'data.turns = "all" trains each of them.',
            )
