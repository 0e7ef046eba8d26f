"""A row of data as prompts and answers: one, or one for each of the assistant's turns. Knows no files and no tokens."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from irltui.api import Demonstration, Known
from irltui.data.columns import Columns
from irltui.data.messages import BadRow, Conversation, Message, check_unicode, kind, read_conversation, read_tools

NOT_A_DEMONSTRATION = "label is false"
"""The reason why an answer that somebody marked as bad is left out."""
_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


@dataclass(slots=True)
class Row:
    """A prompt and its demonstration.

    Attributes:
        prompt: text, or messages.
        system: a system message to put before the prompt, "" for none.
        answer: the demonstration as the assistant's message; of a prompt alone its content is "".
        tools: that the answer may call, for the chat template.
        text: prompt and answer as the row itself joins them, for models without a chat template.
        weight: what the row says of its answer's.
    """

    prompt: str | Sequence[Message]
    system: str
    answer: Message
    tools: Sequence[Any] = ()
    text: tuple[str, str] | None = None
    weight: float = 1.0

    @property
    def size(self) -> int:
        """Characters of prompt and answer, roughly."""
        asked = len(self.prompt) if isinstance(self.prompt, str) else sum(len(each["content"]) for each in self.prompt)
        return asked + len(self.answer["content"])

    @property
    def completion(self) -> str:
        """The answer as text."""
        return message_text(self.answer)

    @property
    def prompt_text(self) -> str:
        """The prompt as text."""
        if isinstance(self.prompt, str):
            return self.prompt
        if len(self.prompt) == 1:
            return message_text(self.prompt[0])
        return "\n\n".join(f"{message['role']}: {message_text(message)}" for message in self.prompt)

    @property
    def whole_prompt(self) -> str | Sequence[Message]:
        """The prompt with its system message."""
        if not self.system:
            return self.prompt
        asked = [{"role": "user", "content": self.prompt}] if isinstance(self.prompt, str) else self.prompt
        return [{"role": "system", "content": self.system}, *asked]

    def known(self, columns: Mapping[str, Any], demonstration: Demonstration | None = None) -> Known:
        """What parts may know of the row; `columns` are all of them."""
        return Known(self.whole_prompt, columns, demonstration)


def message_text(message: Message) -> str:
    """A message as text: its reasoning, content and calls."""
    if len(message) == 2:
        return message["content"]
    calls = (json.dumps(call["function"], ensure_ascii=False) for call in message.get("tool_calls", ()))
    return "\n".join(part for part in (message.get("reasoning_content"), message["content"], *calls) if part)


def read_row(raw: Mapping[str, Any], columns: Columns) -> Row:
    """A raw row as a prompt and its completion; of a conversation, the last answer that trains.

    Raises:
        BadRow: it has none.
    """
    return read_turns(raw, columns)[-1]


def read_turns(raw: Mapping[str, Any], columns: Columns) -> list[Row]:
    """A raw row as demonstrations, one for each of the assistant's turns that train, with all before it as its prompt.

    Raises:
        BadRow: it has none, or a part that cannot be used.
    """
    if columns.label:
        _check_label(raw.get(columns.label), columns.label)
    system, tools = _system(raw, columns), read_tools(raw.get(columns.tools)) if columns.tools else []
    if not columns.messages:
        return [Row(_prompt(raw, columns), system, _answer(raw.get(columns.completion)), tools)]
    whole = read_conversation(raw.get(columns.messages), "conversation")
    if whole.messages[-1]["role"] != "assistant":
        raise BadRow(f"conversation ends with a {whole.messages[-1]['role']} message, not the assistant's")
    if not whole.trained:
        raise BadRow("conversation without an assistant message that trains: all have weight 0")
    found = [_turn(whole, turn, system, tools) for turn in whole.trained if _asks(whole.messages[:turn])]
    if not found:
        raise BadRow("empty prompt")
    return found


def read_prompt(raw: Mapping[str, Any], columns: Columns) -> Row:
    """A raw row as a prompt without an answer; of a conversation, what comes before an answer at its end.

    Raises:
        BadRow: it has none.
    """
    system, tools = _system(raw, columns), read_tools(raw.get(columns.tools)) if columns.tools else []
    nothing = {"role": "assistant", "content": ""}
    if not columns.messages:
        return Row(_prompt(raw, columns), system, nothing, tools)
    whole = read_conversation(raw.get(columns.messages), "conversation")
    last = len(whole.messages) - (whole.messages[-1]["role"] == "assistant")
    if not _asks(whole.messages[:last]):
        raise BadRow("empty prompt")
    if last == len(whole.messages):
        return Row(whole.messages, system, nothing, tools)
    turn = _turn(whole, last, system, tools)
    return Row(turn.prompt, system, nothing, tools, turn.text and (turn.text[0], ""))


def _turn(whole: Conversation, turn: int, system: str, tools: Sequence[Any]) -> Row:
    text = whole.dialogue.at(turn) if whole.dialogue else None
    return Row(whole.messages[:turn], system, whole.messages[turn], tools, text, whole.trained.get(turn, 1.0))


def _asks(messages: Sequence[Message]) -> bool:
    """Whether there are messages other than the system's."""
    return any(message["role"] != "system" for message in messages)


def _prompt(raw: Mapping[str, Any], columns: Columns) -> str | list[Message]:
    value = raw.get(columns.prompt)
    if not isinstance(value, str):
        if value is not None and not isinstance(value, Sequence):
            raise BadRow(f"prompt is {kind(value)}, neither text nor a list of messages")
        return _asked(read_conversation(value, "prompt").messages)
    if columns.input and (more := raw.get(columns.input)):
        if not isinstance(more, str):
            raise BadRow(f"{columns.input} is {kind(more)}, not text")
        value = f"{value}\n{more}" if more.strip() else value
    if not value.strip():
        raise BadRow("empty prompt")
    check_unicode(value)
    if columns.history and (before := _history(raw.get(columns.history))):
        return [*before, {"role": "user", "content": value}]
    return value


def _asked(messages: list[Message]) -> list[Message]:
    if not _asks(messages):
        raise BadRow("empty prompt")
    if messages[-1]["role"] == "assistant":
        raise BadRow("prompt ends with an assistant message")
    return messages


def _history(value: Any) -> list[Message]:
    """Turns before the prompt: [question, answer] pairs, or messages."""
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise BadRow("history is text that is not JSON") from None
    if not value:
        return []
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadRow(f"history is {kind(value)}, not a list of [question, answer] pairs")
    if isinstance(value[0], Mapping):
        return read_conversation(value, "history").messages
    messages: list[Message] = []
    for pair in value:
        if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
            raise BadRow(f"history holds {kind(pair)}, not a [question, answer] pair")
        turns = zip(("user", "assistant"), pair, strict=True)
        messages += [{"role": role, "content": content} for role, content in turns]
    return read_conversation(messages, "history").messages


def _answer(value: Any) -> Message:
    if isinstance(value, str):
        if not value.strip():
            raise BadRow("empty completion")
        check_unicode(value)
        return {"role": "assistant", "content": value}
    if value is None:
        raise BadRow("completion is null")
    if not isinstance(value, Sequence):
        raise BadRow(f"completion is {kind(value)}, not text")
    if value and all(isinstance(item, str) for item in value):
        if len(value) == 1:
            return _answer(value[0])
        raise BadRow(f"completion is a list of {len(value)} texts: which one is the demonstration?")
    messages = read_conversation(value, "completion").messages
    if len(messages) != 1 or messages[0]["role"] != "assistant":
        roles = ", ".join(message["role"] for message in messages[:4])
        raise BadRow(f"completion is a list of messages ({roles}), not one of the assistant's")
    return messages[0]


def _system(raw: Mapping[str, Any], columns: Columns) -> str:
    system = (raw.get(columns.system) or "") if columns.system else ""
    if not isinstance(system, str):
        raise BadRow(f"system message is {kind(system)}, not text")
    if system:
        check_unicode(system)
    return system


def truth(value: Any) -> bool | None:
    """What a mark says, such as True, 1, 0.0 or "yes"; None for anything else."""
    return _TRUTH.get(str(value).strip().lower().removesuffix(".0"))


def _check_label(value: Any, name: str) -> None:
    """Refuse a row that is marked as no demonstration; no mark is none."""
    is_one = value is None or truth(value)
    if is_one is None:
        raise BadRow(f'{name} is "{str(value)[:40]}", neither true nor false')
    if not is_one:
        raise BadRow(NOT_A_DEMONSTRATION)
