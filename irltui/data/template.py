"""From conversations to token ids: the one place where text becomes tokens.

The ids of a prompt and its response are the beginning of what the model's own chat template makes of the whole
conversation. A prompt's ids serve sampling and training alike. A response ends with the token that the model
itself would end with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from irltui.data.chat_format import Chat, ChatFormat, PairText, or_error
from irltui.data.encoding import Encoding, Pair, Texts
from irltui.data.limits import try_tokenizer
from irltui.data.messages import Message
from irltui.data.row import Row
from irltui.data.special_tokens import SpecialTokens, control_tokens
from irltui.errors import DataError, ModelError

FORMATTED = "the prompt is formatted already: it ends as the chat template's prompts do"
NO_PROMPT = "the prompt has no tokens"
_SHORTEST_MARK = 6
_ASKED = "?"


class PromptTemplate:
    """Turns prompts and responses into ids.

    Args:
        tokenizer: a transformers tokenizer.
        eos_ids: ids that end a response.
        template: "auto" (the tokenizer's chat template), "none", or a Jinja file.
        system: system message for every prompt, "" for none.

    Raises:
        DataError: no chat template to be had, or it cannot be used.
        ModelError: the tokenizer has no end-of-sequence token, or does not end with a short text.
    """

    def __init__(self, tokenizer: Any, eos_ids: frozenset[int], template: str = "auto", system: str = "") -> None:
        if name := getattr(tokenizer, "name_or_path", ""):
            try_tokenizer(tokenizer, name)
        self._tokenizer, self._system, self._eos_ids = tokenizer, system, eos_ids
        self._chat = _chat_format(tokenizer, template)
        self.special = SpecialTokens(tokenizer, self._chat.frame if self._chat is not None else "")
        self._encoding = Encoding(tokenizer, special=self._chat is None)
        self.name = "none" if self._chat is None else template if template != "auto" else "the tokenizer's"
        if not eos_ids:
            raise ModelError(
                "the tokenizer has no end-of-sequence token",
                "Without one a model cannot learn to stop: set eos_token in tokenizer_config.json.",
            )
        self._check(template)
        self._closing, self.end_id = self._end()
        self._marks: tuple[str, ...] = ()
        if self._chat is not None:
            self._chat.settle(lambda prompt, answer: self._encoding.pair(prompt, answer).merged)
            self._encoding.expect(self._chat.begins(system), self._chat.asks)
            self._marks = tuple(mark for mark in self._chat.marks if len(mark) >= _SHORTEST_MARK)
        self.lacks_bos = template not in {"auto", "none"} and self._lacks_bos()
        """Whether a template from a file leaves out the token that the tokenizer begins every text with."""

    @property
    def is_plain(self) -> bool:
        """No chat template: texts are joined as they are."""
        return self._chat is None

    def mentions(self, field: str) -> bool:
        """Whether the chat template names a field of messages, or a variable."""
        return self._chat is not None and self._chat.mentions(field)

    def prompt_ids(
        self, prompt: str | Sequence[Message], system: str = "", tools: Sequence[Any] = ()
    ) -> tuple[int, ...]:
        """Ids of a prompt, with all that the template puts before an answer; never empty.

        Raises:
            DataError: the template refuses the messages or leaves some out, or there is none for a conversation.
        """
        messages = self._messages(prompt, system)
        text = self._plain(messages) if self._chat is None else self._chat.prompt(messages, tools)
        return _require_tokens(tuple(self._encoding.ids(text)))

    def pair_ids(
        self, prompt: str | Sequence[Message], answer: str | Message, system: str = "", tools: Sequence[Any] = ()
    ) -> Pair:
        """Ids of a prompt and of its response, which the token that ends responses closes.

        Raises:
            DataError: the template refuses the conversation or leaves some of it out, or there is none for it.
        """
        message = {"role": "assistant", "content": answer} if isinstance(answer, str) else answer
        text = self.texts([Row(prompt, system, message, tools)])[0]
        if isinstance(text, DataError):
            raise text
        pair = self.encoded([text])[0]
        _require_tokens(pair.prompt)
        return pair

    def texts(self, rows: Sequence[Row]) -> list[Texts | DataError]:
        """Prompts and their responses as they are written, for `encoded`.

        An error is in the place of each row that the template refuses or leaves some of out, and of each
        conversation where there is no template.
        """
        if self._chat is None:
            return [or_error(self._joined, row) for row in rows]
        chats = [or_error(self._chat_of, row) for row in rows]
        written = iter(self._chat.pairs([chat for chat in chats if isinstance(chat, Chat)]))
        return [self._with_end(next(written)) if isinstance(chat, Chat) else chat for chat in chats]

    def _joined(self, row: Row) -> Texts:
        """A dialogue stays the text that it is."""
        prompt, answer = row.text or (row.prompt, str(row.answer.get("content") or ""))
        return Texts(self._plain(self._messages(prompt, row.system)), self._plain_answer(answer))

    def _chat_of(self, row: Row) -> Chat:
        return Chat(self._messages(row.prompt, row.system), row.answer, row.tools)

    def _with_end(self, written: PairText | DataError) -> Texts | DataError:
        """The texts of a pair, the token that ends its answer included where the template writes one."""
        if isinstance(written, DataError):
            return written
        if written.after is None:
            return Texts(written.prompt, self.special.through_last(written.answer, self._eos_ids), written.differs)
        return Texts(written.prompt, written.answer + self._closing, written.differs)

    def encoded(self, texts: Sequence[Texts]) -> list[Pair]:
        """Ids of each prompt and its closed response; a prompt may have none. Other threads run meanwhile."""
        return [
            pair
            if pair.response and pair.response[-1] in self._eos_ids
            else replace(pair, response=(*pair.response, self.end_id))
            for pair in self._encoding.pairs(texts)
        ]

    def response_ids(self, text: str, *, ended: bool = True) -> tuple[int, ...]:
        """Ids of a response to any prompt, closed by the token that ends responses if it `ended`."""
        ids = self.pair_ids(_ASKED, text).response
        return ids if ended else ids[:-1]

    def is_followed(self, pair: Pair, row: Row) -> bool:
        """Whether a pair's ids are the beginning of those that transformers makes of the whole conversation."""
        if self._chat is None or self._chat.opens:
            return True
        whole = self._chat.whole_ids([*self._messages(row.prompt, row.system), row.answer], row.tools)
        ids = [*pair.prompt, *(pair.response if self._closing else pair.response[:-1])]
        return list(whole[: len(ids)]) == ids

    def _messages(self, prompt: str | Sequence[Message], system: str) -> list[Message]:
        messages: list[Message] = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        system = system or self._system
        if system and not (messages and messages[0]["role"] == "system"):
            messages = [{"role": "system", "content": system}, *messages]
        if self._chat is not None and messages and messages[-1]["role"] == "user":
            said = messages[-1].get("content")
            if isinstance(said, str) and self._marks and said.rstrip().endswith(self._marks):
                raise DataError(FORMATTED)
        return messages

    def _plain(self, messages: Sequence[Message]) -> str:
        if [message["role"] for message in messages[:-1]] not in ([], ["system"]):
            raise DataError(
                "a conversation needs a chat template",
                'Set data.template to a Jinja file, or use a model whose tokenizer has one ("auto"); '
                'data.columns.history = "off" leaves earlier turns out.',
            )
        return "\n\n".join(str(message["content"]) for message in messages)

    def _plain_answer(self, text: str) -> str:
        """An answer; one that ends with a token that ends responses does not need another."""
        ends = tuple(self.special.texts(self._eos_ids).values())
        return stripped if ends and (stripped := text.rstrip()).endswith(ends) else text

    def _check(self, template: str) -> None:
        """Refuse a template that leaves out what the user or the system says."""
        if self._chat is None:
            return
        if template != "auto" and self._chat.leaves_out_user():
            raise DataError(
                f"data.template: {template}: it leaves out what the user says",
                "A chat template loops over `messages` and puts out each message's `role` and `content`.",
            )
        if self._system and self._chat.leaves_out_system(self._system):
            raise DataError(
                "data.system: the chat template leaves out system messages",
                "Leave data.system empty, or set data.template to a Jinja file that writes them.",
            )

    def _lacks_bos(self) -> bool:
        bos, begun = self._tokenizer.bos_token_id, self._tokenizer(_ASKED)["input_ids"][:1]
        return bos is not None and begun == [bos] and self.prompt_ids(_ASKED)[0] != bos

    def _end(self) -> tuple[str, int]:
        """What closes an answer, up to the token that ends it, and that token.

        A template that writes none has the tokenizer's own put behind its answers.
        """
        if self._chat is not None:
            if found := self.special.first(self._chat.after, self._eos_ids):
                before, token, end = found
                return before + token, end
            found = self.special.first(self._chat.next_turn(), self._eos_ids)
            if found and not found[0].strip():  # GLM's: what begins the next turn ends an answer
                return "", found[2]
        own = self._tokenizer.eos_token_id
        return "", own if own in self._eos_ids else min(self._eos_ids)


def eos_ids(tokenizer: Any, generation_eos: int | Sequence[int] | None, template: str = "auto") -> frozenset[int]:
    """All ids that end a response: the tokenizer's, those of the model's generation config, and its template's.

    Many a tokenizer names only the end of a text, and its template closes each turn with another special token;
    a policy that samples it has ended, though no file says so.
    """
    found = {tokenizer.eos_token_id}
    if isinstance(generation_eos, int):
        found.add(generation_eos)
    else:
        found.update(generation_eos or ())
    for name in {"auto", template}:
        try:
            chat = _chat_format(tokenizer, name)
        except DataError:
            continue
        if chat is not None:
            found.update(
                i for text, i in control_tokens(tokenizer, chat.after).items() if text and chat.after.startswith(text)
            )
    return frozenset(int(token) for token in found if token is not None)


def _require_tokens(prompt: tuple[int, ...]) -> tuple[int, ...]:
    if not prompt:
        raise DataError(NO_PROMPT)
    return prompt


def _chat_format(tokenizer: Any, template: str) -> ChatFormat | None:
    if template == "none":
        return None
    if template == "auto":
        if isinstance(tokenizer.chat_template, str):
            return ChatFormat(tokenizer, tokenizer.chat_template)
        if isinstance(tokenizer.chat_template, Mapping) and "default" in tokenizer.chat_template:
            named = tokenizer.chat_template
            return ChatFormat(tokenizer, named["default"], named.get("tool_use", ""))
        raise DataError(
            "data.template: the tokenizer has no chat template",
            'Set data.template = "none" (--set data.template=none) to join prompt and completion as they are, or name '
            "a Jinja file; `irltui init` sees to it by itself.",
        )
    try:
        return ChatFormat(tokenizer, Path(template).expanduser().read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"data.template: {template}: cannot be read: {error}", 'Name a Jinja file, or use "auto" or "none".'
        ) from error
