"""Which columns hold what, and a row as messages and a completion. Knows shapes of rows, not files or tokens."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irltui.config.schema import DataSection
from irltui.data.guess import named_column
from irltui.errors import DataError

_ALIASES = {
    "prompt": ("prompt", "instruction", "question", "input", "query"),
    "completion": ("completion", "response", "answer", "output", "chosen"),
    "messages": ("messages", "conversations", "conversation"),
}
_ROLES = {"human": "user", "gpt": "assistant"} | {role: role for role in ("user", "assistant", "system", "tool")}
_LONGEST_NAME = 40


@dataclass(frozen=True)
class Columns:
    """Column names; either `messages`, or `prompt` and `completion`, or `prompt` alone. "" is none."""

    prompt: str
    completion: str
    messages: str
    system: str

    @property
    def used(self) -> list[str]:
        """All of them."""
        return [name for name in dict.fromkeys((self.prompt, self.completion, self.messages, self.system)) if name]

    def __str__(self) -> str:
        named = [f"messages from {self.messages!r}"] if self.messages else []
        named += [f"prompts from {self.prompt!r}"] if self.prompt else []
        named += [f"completions from {self.completion!r}"] if self.completion else []
        named += [f"system messages from {self.system!r}"] if self.system else []
        return ", ".join(named)


@dataclass(frozen=True, slots=True)
class Row:
    """A row's prompt (text, or messages), its system message and its demonstration."""

    prompt: str | list[dict[str, str]]
    system: str
    completion: str

    @property
    def prompt_text(self) -> str:
        """What a reader should see of the prompt."""
        if isinstance(self.prompt, str):
            return self.prompt
        if len(self.prompt) == 1:
            return self.prompt[0]["content"]
        return "\n\n".join(f"{message['role']}: {message['content']}" for message in self.prompt)


class BadRow(Exception):  # noqa: N818 - a verdict on a row, not an error of the program
    """A row that cannot be used; the text is the reason it is counted under."""


def find_columns(section: DataSection, names: Sequence[str]) -> Columns:
    """The columns to read.

    Raises:
        DataError: a named column is not there, or no usual name is.
    """
    wanted = section.columns
    _check_named(section, names, ("prompt", "completion", "messages", "system"))
    system = "" if wanted.system == "off" else wanted.system
    messages = _choose("messages", wanted.messages, names)
    prompt, completion = _choose("prompt", wanted.prompt, names), _choose("completion", wanted.completion, names)
    explicit = wanted.prompt != "auto" or wanted.completion != "auto"
    if explicit and wanted.messages != "auto":
        raise DataError(
            "data.columns: messages beside prompt or completion", "Name messages, or prompt and completion."
        )
    if messages and not explicit and (wanted.messages != "auto" or not (prompt and completion)):
        return Columns("", "", messages, system)
    for key, found in (("prompt", prompt), ("completion", completion)):
        if not found:
            raise _no_usual_name(key, section, names, {prompt, completion})
    if prompt == completion:
        raise DataError(f'data.columns: prompt and completion are both "{prompt}"', "Name two columns.")
    return Columns(prompt, completion, "", system)


def prompt_column(names: Sequence[str]) -> str:
    """The column of a usual name for prompts, "" if there is none."""
    return _choose("prompt", "auto", names)


def find_prompt_columns(section: DataSection, names: Sequence[str]) -> Columns:
    """The columns to read prompts from; completions are not asked for, and not read if they are there.

    Raises:
        DataError: a named column is not there, or no usual name is.
    """
    wanted = section.columns
    _check_named(section, names, ("prompt", "messages", "system"))
    system = "" if wanted.system == "off" else wanted.system
    prompt, messages = _choose("prompt", wanted.prompt, names), _choose("messages", wanted.messages, names)
    if prompt and wanted.messages == "auto":
        return Columns(prompt, "", "", system)
    if messages:
        return Columns("", "", messages, system)
    raise _no_usual_name("prompt", section, names, set())


def read_row(raw: Mapping[str, Any], columns: Columns) -> Row:
    """A raw row as prompt and completion.

    Raises:
        BadRow: it has none.
    """
    system = _system(raw, columns)
    if columns.messages:
        *before, last = _messages(raw.get(columns.messages), "conversation")
        if last["role"] != "assistant":
            raise BadRow("conversation does not end with the assistant")
        if not before:
            raise BadRow("empty prompt")
        return Row(_checked_prompt(before), system, _completion(last["content"]))
    return Row(_prompt(raw.get(columns.prompt)), system, _completion(raw.get(columns.completion)))


def read_prompt(raw: Mapping[str, Any], columns: Columns) -> Row:
    """A raw row as a prompt with the completion ""; of a conversation, what comes before an answer at its end.

    Raises:
        BadRow: it has none.
    """
    system = _system(raw, columns)
    if not columns.messages:
        return Row(_prompt(raw.get(columns.prompt)), system, "")
    messages = _messages(raw.get(columns.messages), "conversation")
    if messages[-1]["role"] == "assistant":
        messages = messages[:-1]
    if not messages:
        raise BadRow("empty prompt")
    return Row(_checked_prompt(messages), system, "")


def _system(raw: Mapping[str, Any], columns: Columns) -> str:
    system = (raw.get(columns.system) or "") if columns.system else ""
    if not isinstance(system, str):
        raise BadRow("system message of the wrong type")
    _check_unicode(system)
    return system


def _prompt(value: Any) -> str | list[dict[str, str]]:
    return _checked_prompt(value if isinstance(value, str) else _messages(value, "prompt"))


def _check_named(section: DataSection, names: Sequence[str], keys: Sequence[str]) -> None:
    wanted = section.columns
    for key in keys:
        name = getattr(wanted, key)
        if name not in {"off" if key == "system" else "auto", *names}:
            raise DataError(
                f'data.columns.{key}: column "{name}" not found in {section.source} ({_listed(names)})',
                f'Set data.columns.{key} = "{_guess(key, names, {wanted.prompt, wanted.completion})}".',
            )


def _no_usual_name(key: str, section: DataSection, names: Sequence[str], taken: set[str]) -> DataError:
    return DataError(
        f"data.columns.{key}: no column of a usual name ({', '.join(_ALIASES[key])}) in {section.source} "
        f"({_listed(names)})",
        f'Set data.columns.{key} = "{_guess(key, names, taken)}", or let `irltui init` look at the data.',
    )


def _choose(key: str, wanted: str, names: Sequence[str]) -> str:
    if wanted != "auto":
        return wanted
    return next((alias for alias in _ALIASES[key] if alias in names), "")


def _guess(key: str, names: Sequence[str], taken: set[str]) -> str:
    """The column that `key` most likely means."""
    free = [name for name in names if name not in taken] or ["NAME"]
    if key in {"prompt", "completion"} and (named := named_column(key, free)):
        return named
    usual = _ALIASES.get(key, (key,))
    near = [match for alias in usual for match in difflib.get_close_matches(alias, free, n=1)]
    return (near or free)[0]


def _listed(names: Sequence[str]) -> str:
    """For a message; a file without a header has its first row here."""
    short = [name if len(name) <= _LONGEST_NAME else name[:_LONGEST_NAME] + "..." for name in names]
    return f"columns: {', '.join(short)}"


def _messages(value: Any, what: str) -> list[dict[str, str]]:
    if value is None:
        raise BadRow(f"{what} is null")
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadRow(f"{what} of the wrong type")
    messages = [_message(item) for item in value]
    if not messages:
        raise BadRow(f"empty {what}")
    return messages


def _message(item: Any) -> dict[str, str]:
    """{role, content}, or ShareGPT's {from, value}."""
    if not isinstance(item, Mapping):
        raise BadRow("message of the wrong type")
    # A table with both forms has all four fields in every message, some of them null.
    role, content = item.get("role") or item.get("from"), item.get("content")
    content = item.get("value") if content is None else content
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRow("unknown role")
    if not isinstance(content, str):
        raise BadRow("message without text")
    _check_unicode(content)
    return {"role": _ROLES[role], "content": content}


def _checked_prompt(prompt: str | list[dict[str, str]]) -> str | list[dict[str, str]]:
    text = prompt if isinstance(prompt, str) else "".join(m["content"] for m in prompt if m["role"] != "system")
    if not text.strip():
        raise BadRow("empty prompt")
    _check_unicode(text)
    if not isinstance(prompt, str) and prompt[-1]["role"] == "assistant":
        raise BadRow("prompt ends with the assistant")
    return prompt


def _completion(value: Any) -> str:
    if value is None:
        raise BadRow("completion is null")
    if not isinstance(value, str):
        messages = _messages(value, "completion")
        if len(messages) != 1 or messages[0]["role"] != "assistant":
            raise BadRow("completion is not one message of the assistant")
        value = messages[0]["content"]
    if not value.strip():
        raise BadRow("empty completion")
    _check_unicode(value)
    return value


def _check_unicode(text: str) -> None:
    """JSON can escape half a surrogate pair, which no tokenizer takes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRow("text that is not Unicode") from None
