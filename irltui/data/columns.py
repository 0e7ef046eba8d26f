"""Which columns of a source hold what: by their names, and by what the first rows hold. Knows no files."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

from irltui.config.schema import ColumnsSection, DataSection
from irltui.data.dialogue import parse_dialogue
from irltui.data.guess import named_column
from irltui.data.text_files import wrapped_rows
from irltui.errors import DataError

_ALIASES = {
    "prompt": ("prompt", "instruction", "question", "input", "query"),
    "completion": ("completion", "response", "answer", "output", "chosen"),
    "messages": ("messages", "conversations", "conversation"),
    "system": ("system", "system_prompt", "system_message"),
    "input": ("input", "context"),
    "history": ("history",),
    "tools": ("tools", "functions"),
    "label": ("label",),
}
_OPTIONAL = ("system", "input", "history", "tools", "label")  # keys of columns that a source may lack
_REJECTED = "rejected"
_LONGEST_NAME = 40
FIRST = 64
"""Rows that are looked at."""
Raw = Mapping[str, Any]


@dataclass(frozen=True)
class Columns:
    """Column names; either `messages`, or `prompt` and `completion`, or `prompt` alone. "" is none.

    `input` belongs below the prompt, `history` before it; `label` is false where an answer is no demonstration.
    """

    prompt: str = ""
    completion: str = ""
    messages: str = ""
    system: str = ""
    input: str = ""
    history: str = ""
    tools: str = ""
    label: str = ""

    @property
    def used(self) -> list[str]:
        return [name for name in dict.fromkeys(astuple(self)) if name]

    def __str__(self) -> str:
        named = [f"messages from {self.messages!r}"] if self.messages else []
        below = f" with {self.input!r} on the next line" if self.input else ""
        named += [f"prompts from {self.prompt!r}{below}"] if self.prompt else []
        named += [f"completions from {self.completion!r}"] if self.completion else []
        named += [f"system messages from {self.system!r}"] if self.system else []
        named += [f"earlier turns from {self.history!r}"] if self.history else []
        named += [f"tools from {self.tools!r}"] if self.tools else []
        named += [f"no rows whose {self.label!r} is false"] if self.label else []
        return ", ".join(named)


def find_columns(section: DataSection, names: Sequence[str], first: Sequence[Raw] = ()) -> Columns:
    """The columns to read; what the `first` rows hold decides between columns whose names alone do not.

    Raises:
        DataError: a named column is not there, or no usual name is.
    """
    wanted, first = section.columns, first[:FIRST]
    _check_named(section, names, ("prompt", "completion", "messages", *_OPTIONAL))
    prompt, completion = _choose("prompt", wanted.prompt, names), _choose("completion", wanted.completion, names)
    explicit = wanted.prompt != "auto" or wanted.completion != "auto"
    if explicit and wanted.messages != "auto":
        raise DataError(
            "data.columns: messages beside prompt or completion", "Name messages, or prompt and completion."
        )
    if not explicit and (messages := _messages_column(wanted, names, first, pair=bool(prompt and completion))):
        return _with_rest(Columns(messages=messages), wanted, names, first)
    for key, found in (("prompt", prompt), ("completion", completion)):
        if not found:
            raise _no_usual_name(key, section, names, first, {prompt, completion})
    if len(first) == 1 and _is_texts(first[0].get(prompt)) and _is_texts(first[0].get(completion)):
        raise DataError(
            f'{section.source}: one object with a list for each column, such as "{prompt}"',
            f"Make rows of them: jq -c '[.{prompt}, .{completion}] | transpose[] | {{prompt: .[0], completion: .[1]}}'"
            f" {section.source} > rows.jsonl",
        )
    if prompt == completion:
        raise DataError(f'data.columns: prompt and completion are both "{prompt}"', "Name two columns.")
    return _with_rest(Columns(prompt, completion), wanted, names, first)


def prompt_column(names: Sequence[str]) -> str:
    """The column of a usual name for prompts, "" if there is none."""
    return _choose("prompt", "auto", names)


def find_prompt_columns(section: DataSection, names: Sequence[str], first: Sequence[Raw] = ()) -> Columns:
    """The columns to read prompts from; completions are not asked for, and not read if they are there.

    Raises:
        DataError: a named column is not there, or no usual name is.
    """
    wanted, first = section.columns, first[:FIRST]
    _check_named(section, names, ("prompt", "messages", *_OPTIONAL))
    prompt = _choose("prompt", wanted.prompt, names)
    if prompt and wanted.messages == "auto":
        found = Columns(prompt)
    elif messages := _messages_column(wanted, names, first, pair=False):
        found = Columns(messages=messages)
    else:
        raise _no_usual_name("prompt", section, names, first, set())
    return _with_rest(found, wanted.model_copy(update={"label": "off"}), names, first)


def with_detected_columns(section: DataSection, names: Sequence[str], *, prompts: bool) -> DataSection:
    """The section for a source that its columns may not have been named for: without them if one is not there."""
    wanted = section.columns.model_dump(exclude={"completion", "label"} if prompts else None).values()
    if set(wanted) - {"auto", "off"} <= set(names):
        return section
    return section.model_copy(update={"columns": ColumnsSection()})


def is_conversation(value: Any) -> bool:
    """Whether a field holds several messages: a list, JSON text, or a dialogue."""
    if isinstance(value, str):
        return value.lstrip().startswith("[{") or parse_dialogue(value) is not None
    if not isinstance(value, Sequence) or len(value) < 2 or not isinstance(value[0], Mapping):
        return False
    return "role" in value[0] or "from" in value[0]


def _messages_column(wanted: ColumnsSection, names: Sequence[str], first: Sequence[Raw], *, pair: bool) -> str:
    """The column with whole conversations; `pair`: there are columns of prompts and answers, too."""
    named = _choose("messages", wanted.messages, names)
    if named and (wanted.messages != "auto" or not pair):
        return named
    completion = _choose("completion", "auto", names)
    if completion == "chosen" and _all(is_conversation, first, "chosen"):
        return "chosen"
    if completion or _choose("prompt", "auto", names):
        return ""
    return next((name for name in names if name != _REJECTED and _all(is_conversation, first, name)), "")


def _with_rest(columns: Columns, wanted: ColumnsSection, names: Sequence[str], first: Sequence[Raw]) -> Columns:
    """With the columns that stand beside prompts or conversations."""
    taken = set(columns.used)
    found: dict[str, str] = {}
    for key in _OPTIONAL:
        if columns.messages and key in {"input", "history"}:
            continue
        name = getattr(wanted, key)
        if name == "auto":
            free = [alias for alias in _ALIASES[key] if alias in names and alias not in taken]
            name = next((alias for alias in free if _fits(key, alias, first)), "off")
        found[key] = "" if name == "off" else name
    return Columns(columns.prompt, columns.completion, columns.messages, **found)


def _fits(key: str, name: str, first: Sequence[Raw]) -> bool:
    """Whether a column's values are what its name suggests."""
    match key:
        case "label":
            return _all(_is_bool, first, name)
        case "system" | "input":
            return not first or _all(_is_text, first, name)
        case _:
            return True


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, str) and value.strip().lower() in {"true", "false"})


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and len(value) > 1 and all(map(_is_text, value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _all(test: Callable[[Any], bool], first: Sequence[Raw], name: str) -> bool:
    """Whether a test holds for all values of a column that are not null, of which there must be one."""
    values = [value for raw in first if (value := raw.get(name)) is not None]
    return bool(values) and all(map(test, values))


def _check_named(section: DataSection, names: Sequence[str], keys: Sequence[str]) -> None:
    wanted = section.columns
    for key in keys:
        name = getattr(wanted, key)
        if name not in {"auto", *(["off"] if key in _OPTIONAL else []), *names}:
            raise DataError(
                f'data.columns.{key}: column "{name}" not found in {section.source} ({listed(names)})',
                f'Set data.columns.{key} = "{_guess(key, names, {wanted.prompt, wanted.completion})}".',
            )


def _no_usual_name(
    key: str, section: DataSection, names: Sequence[str], first: Sequence[Raw], taken: set[str]
) -> DataError:
    if len(first) == 1 and (wrapped := wrapped_rows(section.source, first[0])):
        return wrapped
    if len(names) == 1 and _all(_is_text, first, names[0]):
        return DataError(
            f'{section.source}: its only column, "{names[0]}", holds whole texts, not prompts and answers',
            "Split each text where its answer begins, into the columns prompt and completion.",
        )
    return DataError(
        f"data.columns.{key}: no column of a usual name ({', '.join(_ALIASES[key])}) in {section.source} "
        f"({listed(names)})",
        f'Set data.columns.{key} = "{_guess(key, names, taken)}", or let `irltui init` look at the data.',
    )


def _choose(key: str, wanted: str, names: Sequence[str]) -> str:
    if wanted != "auto":
        return wanted
    cased = {name.casefold(): name for name in reversed(names)}
    return next((alias if alias in names else cased[alias] for alias in _ALIASES[key] if alias in cased), "")


def _guess(key: str, names: Sequence[str], taken: set[str]) -> str:
    """The column that `key` most likely means."""
    usable = [name for name in names if name not in {*taken, _REJECTED} and name.casefold().rpartition("_")[2] != "id"]
    free = usable or ["NAME"]
    if key in {"prompt", "completion"} and (named := named_column(key, free)):
        return named
    near = [match for alias in _ALIASES[key] for match in difflib.get_close_matches(alias, free, n=1)]
    return (near or free)[0]


def listed(names: Sequence[str]) -> str:
    """For a message; a file without a header has its first row here."""
    short = [name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..." for name in names]
    return f"columns: {', '.join(short)}"
