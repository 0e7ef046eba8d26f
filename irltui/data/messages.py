"""Conversations in all usual spellings as the chat messages that transformers' templates take.

OpenAI's `messages`, ShareGPT's `from` and `value`, JSON text, and dialogues as text ("Human: ... Assistant: ...").
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from irltui.data.dialogue import Dialogue, parse_dialogue

Message: TypeAlias = Mapping[str, Any]
"""`role` and `content`, and where there are any `reasoning_content`, `tool_calls` and the fields that a row adds."""

_ROLES = {
    "user": ("user", "human", "prompter"),
    "assistant": ("assistant", "gpt", "chatgpt", "model", "bot", "ai"),
    "system": ("system", "developer"),
    "tool": ("tool", "function", "observation", "ipython", "tool_response", "function_response"),
}
_ROLE_OF = {spelling: role for role, spellings in _ROLES.items() for spelling in spellings}
_CALL = ("function_call", "tool_call")  # roles of ShareGPT whose value is the call as JSON
REASONING = ("reasoning_content", "reasoning", "thinking")
"""Fields of a message that hold its reasoning; `reasoning_content` is what they become."""
_FLAGS = ("weight", "train", "loss")
_READ = frozenset({"role", "from", "content", "value", "tool_calls", "function_call", *REASONING, *_FLAGS})
_LONGEST = 40


class BadRow(Exception):  # noqa: N818 - a verdict on a row, not an error of the program
    """A row that cannot be used; the text is the reason it is counted under."""


@dataclass(frozen=True, slots=True)
class Conversation:
    """Messages, the places of the assistant's turns that train, with their weights, and the text it was, if any."""

    messages: list[Message]
    trained: dict[int, float]
    dialogue: Dialogue | None = None


def read_conversation(value: Any, what: str) -> Conversation:
    """A value of a row as a conversation of at least one message.

    Raises:
        BadRow: it is none; the reason says what it is instead.
    """
    if value is None:
        raise BadRow(f"{what} is null")
    dialogue = None
    if isinstance(value, str):
        if dialogue := parse_dialogue(value):
            value = [{"role": role, "content": content} for role, content in dialogue.turns]
        else:
            value = _json(value, f"{what} is text, neither a JSON list of messages nor Human: and Assistant: turns")
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadRow(f"{what} is {kind(value)}, not a list of messages")
    if not value:
        raise BadRow(f"empty {what}")
    messages: list[Message] = []
    trained: dict[int, float] = {}
    for i, item in enumerate(value):
        message, weight = _message(item)
        messages.append(message)
        if weight:
            trained[i] = weight
    return Conversation(messages, trained, dialogue)


def read_tools(value: Any) -> list[Any]:
    """A list of tools, JSON text or not; none where there are none.

    Raises:
        BadRow: it is no list of objects.
    """
    if isinstance(value, str):
        value = _json(value, "tools are text that is not JSON") if value.strip() else None
    if not value:
        return []
    if not isinstance(value, Sequence) or not all(isinstance(tool, Mapping) for tool in value):
        raise BadRow(f"tools are {kind(value)}, not a list of objects")
    return [_wrapped(tool) for tool in value]


def check_unicode(text: str) -> None:
    """JSON can escape half a surrogate pair, which no tokenizer takes.

    Raises:
        BadRow: there is one.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadRow("text that is not Unicode") from None


def kind(value: object) -> str:
    """The type of a value, in words."""
    if isinstance(value, str):
        return "text"
    if isinstance(value, Mapping):
        return f"an object (keys: {', '.join(map(str, list(value)[:4]))})"[:80]
    if isinstance(value, Sequence):
        return "a list"
    names: dict[type, str] = {bool: "true or false", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), f"of type {type(value).__name__}")


def _message(item: Any) -> tuple[Message, float]:
    """A message and its weight, 0 for one that does not train."""
    if not isinstance(item, Mapping):
        raise BadRow(f"a message is {kind(item)}, not an object with role and content")
    role, call = _role(item)
    # A table with both forms has all four fields in every message, some of them null.
    content = item.get("content")
    content = item.get("value") if content is None else content
    if call:
        message: dict[str, Any] = {"role": role, "content": "", "tool_calls": read_calls(content)}
    else:
        message = {"role": role, "content": _content(content, role, item)}
        if reasoning := next((found for name in REASONING if (found := item.get(name))), None):
            if not isinstance(reasoning, str):
                raise BadRow(f"reasoning of a message is {kind(reasoning)}, not text")
            message["reasoning_content"] = reasoning
        if calls := item.get("tool_calls") or item.get("function_call"):
            message["tool_calls"] = read_calls(calls)
    if len(item) > 2:
        message |= {name: found for name, found in item.items() if name not in _READ and found is not None}
    if role != "tool" and role != "system" and not _has_content(message):
        raise BadRow(f"empty {role} message")
    check_unicode(message["content"] if len(message) == 2 else json.dumps(message, ensure_ascii=False, default=str))
    return message, _weight(item) if role == "assistant" else 0.0


def _has_content(message: Message) -> bool:
    return bool(message["content"].strip() or message.get("tool_calls") or message.get("reasoning_content"))


def _role(item: Mapping[str, Any]) -> tuple[str, bool]:
    """The role, and whether the message is a call of a tool."""
    found = item.get("role") or item.get("from")
    if not isinstance(found, str):
        if found is not None:
            raise BadRow(f"role of a message is {kind(found)}, not text")
        raise BadRow(f"a message without role, it has {', '.join(map(str, list(item)[:6])) or 'nothing'}"[:120])
    role = found.strip().lower()
    if role in _CALL:
        return "assistant", True
    if role not in _ROLE_OF:
        raise BadRow(f'unknown role "{found[:_LONGEST]}" (known: user, assistant, system, tool, human, gpt)')
    return _ROLE_OF[role], False


def _content(content: Any, role: str, item: Mapping[str, Any]) -> str:
    if isinstance(content, str):
        return content
    if content is None and (item.get("tool_calls") or item.get("function_call")):
        return ""
    if content is None:
        raise BadRow(f"{role} message without content")
    if isinstance(content, Sequence) and all(isinstance(part, Mapping) for part in content):
        return "".join(map(_part, content))
    if role == "tool":
        return json.dumps(content, ensure_ascii=False, default=str)
    raise BadRow(f"content of the {role} message is {kind(content)}, not text")


def _part(part: Mapping[str, Any]) -> str:
    """The text of a part of a content that is a list."""
    if isinstance(text := part.get("text"), str):
        return text
    raise BadRow(f'content is a list of parts with one of type "{str(part.get("type"))[:_LONGEST]}"; only text trains')


def _weight(item: Mapping[str, Any]) -> float:
    """The weight by the message's flags; 1 without any."""
    weight = 1.0
    for name in _FLAGS:
        flag = item.get(name)
        if flag is None:
            continue
        if not isinstance(flag, (bool, int, float)):
            raise BadRow(f"{name} of a message is {kind(flag)}, not a number or true or false")
        weight *= float(flag)
    return weight


def read_calls(value: Any) -> list[Any]:
    """Calls of tools as transformers' templates take them: a list, arguments as objects.

    Raises:
        BadRow: one has no name.
    """
    value = _json(value, "function_call is not JSON with name and arguments") if isinstance(value, str) else value
    calls = []
    for call in value if isinstance(value, Sequence) else [value]:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise BadRow(f"a call of a tool is {kind(function)} without a name")
        arguments = function.get("arguments", {})
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments) if arguments.strip() else {}
            except (ValueError, RecursionError):
                raise BadRow(f"arguments of the call of {function['name'][:_LONGEST]} are not JSON") from None
        beside = {name: call[name] for name in ("id",) if call.get(name) is not None}
        calls.append({**beside, "type": "function", "function": {"name": function["name"], "arguments": arguments}})
    return calls


def _wrapped(tool: Mapping[str, Any]) -> Any:
    """A tool under "function", as templates expect it."""
    return tool if "function" in tool or "name" not in tool else {"type": "function", "function": tool}


def _json(text: str, reason: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise BadRow(reason) from None
