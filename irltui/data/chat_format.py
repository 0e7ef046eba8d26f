"""How a chat template writes a prompt and the answer after it, as texts.

A template writes one text for generation (up to where the model goes on) and one for the whole conversation. What
it puts between the two, before the answer itself, belongs to the prompt, in sampling as in training: an empty
reasoning block, a channel, or the whole header where a template has no generation prompt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from jinja2 import TemplateError, TemplateSyntaxError

from irltui.data.limits import limited_template
from irltui.data.messages import REASONING, Message
from irltui.errors import DataError, ModelError

Made = TypeVar("Made")

_QUESTION, _ANSWER = "irltui question", "irltui answer"  # what templates are tried with
_ASKED: Message = {"role": "user", "content": _QUESTION}
_ANSWERED: Message = {"role": "assistant", "content": _ANSWER}
# A template is a program: what it raises is up to it.
_REFUSALS = (TemplateError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)
_OPENING = re.compile(r"<(\w+)>")
_OPENED = re.compile(r"(<\w+>)\s*$")
_SHOWN = 40


@dataclass(slots=True)
class Chat:
    """Messages, the assistant's answer to them, and the tools that it may call."""

    messages: Sequence[Message]
    answer: Message
    tools: Sequence[Any] = ()


@dataclass(slots=True)
class PairText:
    """A prompt with all that stands before the answer, the answer, and what the template writes after it.

    `after` is None where it is not what stands after a plain answer; then `answer` holds it. `differs`: the template
    writes the messages before the answer differently once the answer is there.
    """

    prompt: str
    answer: str
    after: str | None
    differs: bool = False


class ChatFormat:
    """Writes conversations by a chat template.

    Args:
        tokenizer: a transformers tokenizer.
        template: the Jinja text.
        with_tools: that of conversations with tools, "" for the same.

    Raises:
        DataError: it is no Jinja, or its generation prompt is not how it begins an answer.
    """

    def __init__(self, tokenizer: Any, template: str, with_tools: str = "") -> None:
        self._tokenizer, self._template, self._with_tools = tokenizer, template, with_tools or template
        self.head, self.after = "", ""
        """What stands before and after a plain answer."""
        self.opens = ""
        """The reasoning block that the generation prompt opens, and no conversation has."""
        self._block = ""  # a reasoning block that the generation prompt opens, and plain answers close at once
        named = [field for field in REASONING if self.mentions(field)]
        self._reasoning = named[0] if named else REASONING[0]  # the field that the template reads
        self._asks, self._space = "", ""  # what stands after a question, and white space before an answer
        self._writes_answers, self._has_generation_prompt = True, True
        if (texts := self._probe()) is not None:
            self._learn(*texts)

    def _probe(self) -> tuple[str, str, str] | None:
        """A prompt with and without what asks for an answer, and with one; None if the template refuses it."""
        try:
            return self._render([_ASKED], generation=True), self._render([_ASKED]), self._render([_ASKED, _ANSWERED])
        except DataError as error:
            if error.hint:
                raise
            return None

    def _learn(self, prompt: str, asked: str, whole: str) -> None:
        before, found, after = whole.rpartition(_ANSWER)
        self._has_generation_prompt = prompt != asked
        self._asks = prompt.rpartition(_QUESTION)[2]
        if not found:
            self._writes_answers = False
        elif before.startswith(prompt):
            self.head, self.after = before[len(prompt) :], after
        elif prompt.startswith(before) and _OPENING.fullmatch(prompt[len(before) :].strip()):
            self.opens, self.after = prompt[len(before) :], after
        elif (block := _OPENED.search(prompt)) and before.startswith(prompt[: block.end(1)]):
            self._block, self.after = block[1], after
        else:
            same = next((i for i, (a, b) in enumerate(zip(prompt, before, strict=False)) if a != b), len(before))
            raise DataError(
                f"data.template: the chat template asks for an answer with {prompt[same:][:_SHOWN]!r}, but begins one "
                f"with {before[same:][:_SHOWN]!r}",
                "Set data.template to a Jinja file whose generation prompt is how it begins an answer.",
            )

    def settle(self, merges: Callable[[str, str], bool]) -> None:
        """Leave spaces at the end of the head to the answer, and all white space where the tokenizer joins the two."""
        if not self.head:
            return
        prompt, head = self._render([_ASKED], generation=True), self.head
        for self.head in (head.rstrip(" "), head.rstrip()):
            self._space = head[len(self.head) :]
            if not merges(prompt + self.head, self._space + _ANSWER):
                return

    def next_turn(self) -> str:
        """What stands between an answer and the next question; "" if the template refuses such a conversation."""
        whole = or_error(self._render, [_ASKED, _ANSWERED, _ASKED])
        return "" if isinstance(whole, DataError) else whole.rpartition(_ANSWER)[2].partition(_QUESTION)[0]

    def begins(self, system: str) -> str:
        """The text before the first question, "" if the template refuses such a prompt."""
        messages = [{"role": "system", "content": system}] if system else []
        asked = or_error(self._render, [*messages, _ASKED], generation=True)
        return "" if isinstance(asked, DataError) else asked.partition(_QUESTION)[0]

    @property
    def asks(self) -> str:
        """The text between a question and its answer."""
        return self._asks + self.head

    @property
    def marks(self) -> set[str]:
        """The end of a prompt that is already formatted."""
        return {self._asks.strip(), self.asks.strip()}

    def mentions(self, field: str) -> bool:
        """Whether the template uses a field of messages, or a variable."""
        return re.search(rf"\b{re.escape(field)}\b", self._template + self._with_tools) is not None

    @property
    def frame(self) -> str:
        """What stands between a question and its answer, and after that."""
        return self.asks + self.after

    def whole_ids(self, messages: Sequence[Message], tools: Sequence[Any] = ()) -> Sequence[int]:
        """The ids of a whole conversation by transformers."""
        return self._written(messages, tools, return_dict=False)

    def leaves_out_system(self, system: str) -> bool:
        return not _is_in(system, self._render([{"role": "system", "content": system}, _ASKED], generation=True))

    def leaves_out_user(self) -> bool:
        """Whether user messages are lost: a file that is not a chat template may render, too."""
        return _QUESTION not in self._render([_ASKED], generation=True)

    def prompt(self, messages: Sequence[Message], tools: Sequence[Any] = ()) -> str:
        """A prompt with all that the template puts before a plain answer.

        Raises:
            DataError: the template refuses the messages, or leaves out what one says.
        """
        asked = self._render(messages, tools=tools, generation=True)
        _check_written(messages, tools, asked)
        return asked + self.head

    def pairs(self, chats: Sequence[Chat]) -> list[PairText | DataError]:
        """Prompts and their answers; an error for one that the template refuses, or leaves out something of."""
        asked = self._render_all([chat.messages for chat in chats], chats, generation=True)
        wholes = asked
        if self._writes_answers and not self.opens:
            wholes = self._render_all([[*chat.messages, chat.answer] for chat in chats], chats)
        return [or_error(self._pair, *each) for each in zip(chats, asked, wholes, strict=True)]

    def _pair(self, chat: Chat, asked: str | DataError, whole: str | DataError) -> PairText:
        if isinstance(asked, DataError):
            raise asked
        _check_written(chat.messages, chat.tools, asked)
        if isinstance(whole, DataError):
            raise whole
        if self.opens:
            return PairText(asked, self._reasoned(chat.answer), self.after)
        if not self._writes_answers:
            return PairText(asked, _content(chat.answer), "")
        start, differs = self._start(asked, whole, chat.answer)
        prompt = asked + self.head if differs else whole[:start]
        rest = (self._space if differs else "") + whole[start:]
        for what, text in _parts(chat.answer):
            if not _is_in(text, rest):
                raise DataError(f"the chat template leaves out the {what}")
        if rest.endswith(self.after):
            return PairText(prompt, rest[: len(rest) - len(self.after)], self.after, differs)
        return PairText(prompt, rest, None, differs)

    def _start(self, asked: str, whole: str, answer: Message) -> tuple[int, bool]:
        """Where in the conversation the response starts, and whether what stands before it is not the prompt."""
        if whole.startswith(asked + self.head):
            return len(asked + self.head), False
        if whole.startswith(asked) and self._has_generation_prompt:
            return len(asked), False  # reasoning or a call of a tool stands before the answer's text
        if self._block and not whole.startswith(asked):
            raise DataError(f"the chat template opens {self._block} before an answer, and this one has no reasoning")
        content = _content(answer).strip()
        at = whole.rfind(content) if content and not whole.startswith(asked) else -1
        if at < 0:
            raise DataError("the chat template does not write this answer after its prompt")
        return at, True

    def _reasoned(self, answer: Message) -> str:
        """An answer behind a generation prompt that has opened its reasoning already.

        Raises:
            DataError: it has no reasoning, so it would be learned inside the block.
        """
        opening = self.opens.strip()
        closing = opening.replace("<", "</", 1)
        content = _content(answer)
        if reasoning := next((answer[name] for name in REASONING if isinstance(answer.get(name), str)), ""):
            content = f"{opening}\n{reasoning.strip()}\n{closing}\n\n{content.lstrip()}"
        if closing not in content:
            raise DataError(f"the chat template opens {opening} before an answer, and this one has no {closing}")
        return content.lstrip().removeprefix(self.opens.lstrip()) if opening in content else content

    def _fitted(self, messages: Sequence[Message]) -> list[Message]:
        """Messages with their reasoning in the field that the template reads."""
        wrong = set(REASONING) - {self._reasoning}
        return [
            {self._reasoning if field in wrong else field: value for field, value in message.items()}
            if len(message) > 2 and wrong & message.keys()
            else message
            for message in messages
        ]

    def _written(self, messages: Sequence[Message], tools: Sequence[Any], **options: Any) -> Any:
        template = self._with_tools if tools else self._template
        return self._tokenizer.apply_chat_template(
            self._fitted(messages), tools=list(tools) or None, chat_template=template, **options
        )

    def _render_all(
        self, conversations: Sequence[Sequence[Message]], chats: Sequence[Chat], *, generation: bool = False
    ) -> list[str | DataError]:
        """`_render` for many at once; one by one where that fails, so that each has its own error and its own time."""
        if not any(chat.tools for chat in chats):
            with suppress(*_REFUSALS, ModelError), limited_template():
                return self._tokenizer.apply_chat_template(
                    list(map(self._fitted, conversations)),
                    chat_template=self._template,
                    add_generation_prompt=generation,
                    tokenize=False,
                )
        return [
            or_error(self._render, messages, tools=chat.tools, generation=generation)
            for messages, chat in zip(conversations, chats, strict=True)
        ]

    def _render(self, messages: Sequence[Message], *, tools: Sequence[Any] = (), generation: bool = False) -> str:
        try:
            with limited_template():
                return self._written(messages, tools, add_generation_prompt=generation, tokenize=False)
        except TemplateSyntaxError as error:
            raise DataError(
                f"data.template: line {error.lineno} of the chat template: {error.message}",
                'Correct the template, or set data.template = "none".',
            ) from error
        except _REFUSALS as error:
            raise DataError(f"the chat template refuses this conversation: {error}") from error


def or_error(make: Callable[..., Made], *arguments: Any, **options: Any) -> Made | DataError:
    """What a function makes, or its DataError."""
    try:
        return make(*arguments, **options)
    except DataError as error:
        return error


def _check_written(messages: Sequence[Message], tools: Sequence[Any], asked: str) -> None:
    """Refuse a prompt that leaves out what a message says, or a tool."""
    for message in messages:
        role, text = message.get("role"), _content(message)
        if role == "assistant":
            text = text.rpartition("</think>")[2]  # templates drop the reasoning of earlier turns
        if not _is_in(text, asked):
            raise DataError(f"the chat template leaves out the {role} message")
    for tool in tools:
        name = tool.get("function", tool).get("name") if isinstance(tool, Mapping) else None
        if isinstance(name, str) and name not in asked:
            raise DataError("the chat template leaves out the tools")


def _parts(answer: Message) -> Iterator[tuple[str, str]]:
    """What of an answer must be written: its name, and a text that proves it."""
    for text in re.split(r"</?\w+>", _content(answer)):
        yield "answer", text
    for name in REASONING:
        if isinstance(text := answer.get(name), str):
            yield f"reasoning ({name})", text
            break
    for call in answer.get("tool_calls") or ():
        function = call.get("function", call) if isinstance(call, Mapping) else {}
        yield "tool_calls", str(function.get("name", ""))


def _content(message: Message) -> str:
    """The text of a message; parts of other kinds are left to the template."""
    content = message.get("content")
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, Sequence) else ()
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, Mapping))


def _is_in(text: str, rendered: str) -> bool:
    """Whether a text is written, as it is or as JSON, but for white space around it and words like /no_think."""
    text = text.strip()
    if text in rendered or any(json.dumps(text, ensure_ascii=way)[1:-1] in rendered for way in (True, False)):
        return True
    return all(word in rendered for word in text.split())
