"""Which columns hold what, and a row as messages and a completion. Knows shapes of rows, not files or tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irltui.config.schema import DataSection
from irltui.errors import DataError

_ALIASES = {
    "prompt": ("prompt", "instruction", "question", "input", "query"),
    "completion": ("completion", "response", "answer", "output", "chosen"),
    "messages": ("messages", "conversations", "conversation"),
}
_ROLES = {"human": "user", "gpt": "assistant", "user": "user", "assistant": "assistant", "system": "system"}
_ROLES |= {"tool": "tool"}


@dataclass(frozen=True)
class Columns:
    """Column names; either `messages`, or `prompt` and `completion`. "" is none."""

    prompt: str
    completion: str
    messages: str
    system: str


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
    for key in ("prompt", "completion", "messages", "system"):
        name = getattr(wanted, key)
        if name not in {"auto", "off", *names}:
            raise DataError(
                f'data.columns.{key}: column "{name}" not found in {section.source} (columns: {", ".join(names)})',
                f"Set data.columns.{key} to one of them.",
            )
    system = "" if wanted.system in {"auto", "off"} else wanted.system
    messages = _choose("messages", wanted.messages, names)
    prompt, completion = _choose("prompt", wanted.prompt, names), _choose("completion", wanted.completion, names)
    explicit = wanted.prompt != "auto" or wanted.completion != "auto"
    if messages and not explicit and (wanted.messages != "auto" or not (prompt and completion)):
        return Columns("", "", messages, system)
    for key, found in (("prompt", prompt), ("completion", completion)):
        if not found:
            raise DataError(
                f"data.columns.{key}: no column of a usual name ({', '.join(_ALIASES[key])}) in {section.source} "
                f"(columns: {', '.join(names)})",
                f'Set data.columns.{key} = "{_guess(names, prompt)}".',
            )
    if prompt == completion:
        raise DataError(f'data.columns: prompt and completion are both "{prompt}"', "Name two columns.")
    return Columns(prompt, completion, "", system)


def read_row(raw: Mapping[str, Any], columns: Columns) -> Row:
    """A raw row as prompt and completion.

    Raises:
        BadRow: it has none.
    """
    system = raw[columns.system] if columns.system else ""
    if system is not None and not isinstance(system, str):
        raise BadRow("system message of the wrong type")
    if columns.messages:
        *before, last = _messages(raw[columns.messages], "conversation")
        if last["role"] != "assistant":
            raise BadRow("conversation does not end with the assistant")
        if not before:
            raise BadRow("empty prompt")
        return Row(_checked_prompt(before), system or "", _completion(last["content"]))
    prompt = raw[columns.prompt]
    if not isinstance(prompt, str):
        prompt = _messages(prompt, "prompt")
    return Row(_checked_prompt(prompt), system or "", _completion(raw[columns.completion]))


def _choose(key: str, wanted: str, names: Sequence[str]) -> str:
    if wanted != "auto":
        return wanted
    return next((alias for alias in _ALIASES[key] if alias in names), "")


def _guess(names: Sequence[str], taken: str) -> str:
    return next((name for name in names if name != taken), "NAME")


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
    role, content = item.get("role", item.get("from")), item.get("content", item.get("value"))
    if role not in _ROLES:
        raise BadRow("unknown role")
    if not isinstance(content, str):
        raise BadRow("message without text")
    return {"role": _ROLES[role], "content": content}


def _checked_prompt(prompt: str | list[dict[str, str]]) -> str | list[dict[str, str]]:
    text = prompt if isinstance(prompt, str) else "".join(m["content"] for m in prompt if m["role"] != "system")
    if not text.strip():
        raise BadRow("empty prompt")
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
    return value
