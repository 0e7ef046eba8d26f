"""From prompt and completion to token ids: the one place where text becomes tokens.

A prompt is tokenised once and its ids serve sampling and training alike; a response is tokenised by itself and
appended, so no merge crosses the boundary. A response ends with the token that the model itself would end with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError

from irltui.errors import DataError, ModelError

Message = Mapping[str, str]  # {"role": ..., "content": ...}
_PROBE = "irltui probe"
# A template is a program: what it raises is up to it.
_REFUSALS = (TemplateError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)


class PromptTemplate:
    """Turns prompts and responses into ids.

    Args:
        tokenizer: a transformers tokenizer.
        eos_ids: ids that end a response.
        template: "auto" (the tokenizer's chat template), "none", or a Jinja file.
        system: system message for every prompt, "" for none.

    Raises:
        DataError: no chat template to be had, or it cannot be used.
        ModelError: the tokenizer has no end-of-sequence token.
    """

    def __init__(self, tokenizer: Any, eos_ids: frozenset[int], template: str = "auto", system: str = "") -> None:
        self._tokenizer, self._system = tokenizer, system
        self._chat = _chat_template(tokenizer, template)
        if self._chat is None and system:
            raise DataError(
                "data.system: a system message needs a chat template",
                'Leave data.system empty, or set data.template to "auto" or a Jinja file.',
            )
        self.name = "none" if self._chat is None else template if template != "auto" else "the tokenizer's"
        self.end_id = self._end(eos_ids)
        if template not in {"auto", "none"}:
            self._check_file(template)
        with_special, without = self._encode("?", special=True), self._encode("?", special=False)
        self._closes = with_special[-1 - len(without) :] == [*without, tokenizer.eos_token_id]

    def prompt_ids(self, prompt: str | Sequence[Message], system: str = "") -> tuple[int, ...]:
        """Ids of a prompt, with all that the template puts before an answer; never empty.

        Raises:
            DataError: the template refuses the messages, or there is no template for a conversation.
        """
        messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else list(prompt)
        system = system or self._system
        if system and not (messages and messages[0]["role"] == "system"):
            messages = [{"role": "system", "content": system}, *messages]
        if self._chat is None:
            ids = self._plain(messages)
        else:
            ids = self._encode(self._render(messages, add_generation_prompt=True), special=False)
        if not ids:
            raise DataError("the prompt has no tokens")
        return tuple(ids)

    def response_ids(self, text: str, *, ended: bool = True) -> tuple[int, ...]:
        """Ids of a response, the text as it is, closed by the end-of-sequence token if it `ended`."""
        ids = self._encode(text, special=False)
        return (*ids, self.end_id) if ended else tuple(ids)

    def _plain(self, messages: Sequence[Message]) -> list[int]:
        if len(messages) != 1:
            raise DataError(
                "a conversation or a system message needs a chat template",
                'Set data.template to a Jinja file, or use a model whose tokenizer has one ("auto").',
            )
        ids = self._encode(messages[0]["content"], special=True)
        # Some tokenizers close every text; a prompt goes on.
        return ids[:-1] if self._closes else ids

    def _render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        return _render(self._tokenizer, self._chat, messages, add_generation_prompt=add_generation_prompt)

    def _check_file(self, name: str) -> None:
        """A file that is no chat template renders too, and the same for every prompt.

        Raises:
            DataError: what the user says does not occur in it.
        """
        if _PROBE not in self._render([{"role": "user", "content": _PROBE}], add_generation_prompt=True):
            raise DataError(
                f"data.template: {name}: it leaves out what the user says",
                "A chat template loops over `messages` and puts out each message's `role` and `content`.",
            )

    def _encode(self, text: str, *, special: bool) -> list[int]:
        return self._tokenizer(text, add_special_tokens=special)["input_ids"]

    def _end(self, eos_ids: frozenset[int]) -> int:
        """The token after an assistant's message in the template, if it is one that ends; else the tokenizer's."""
        if not eos_ids:
            raise ModelError(
                "the tokenizer has no end-of-sequence token",
                "Without one a model cannot learn to stop: set eos_token in tokenizer_config.json.",
            )
        if self._chat is not None:
            for token in self._encode(_after_answer(self._tokenizer, self._chat), special=False):
                if token in eos_ids:
                    return token
        own = self._tokenizer.eos_token_id
        return own if own in eos_ids else min(eos_ids)


def eos_ids(tokenizer: Any, generation_eos: int | Sequence[int] | None) -> frozenset[int]:
    """All ids that end a response: the tokenizer's, those of the model's generation config, and its template's.

    Many a tokenizer names only the end of a text, and its template closes each turn with another special token;
    a policy that samples it has ended, though no file says so.
    """
    found = {tokenizer.eos_token_id}
    if isinstance(generation_eos, int):
        found.add(generation_eos)
    else:
        found.update(generation_eos or ())
    try:
        tail = _after_answer(tokenizer, _chat_template(tokenizer, "auto"))
    except DataError:
        tail = ""
    special = {token.content: i for i, token in tokenizer.added_tokens_decoder.items() if token.special}
    found.update(i for content, i in special.items() if tail.startswith(content))
    return frozenset(int(token) for token in found if token is not None)


def _render(tokenizer: Any, chat: str | None, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
    try:
        return tokenizer.apply_chat_template(
            list(messages), chat_template=chat, add_generation_prompt=add_generation_prompt, tokenize=False
        )
    except TemplateSyntaxError as error:
        raise DataError(
            f"data.template: line {error.lineno} of the chat template: {error.message}",
            'Mend the template, or set data.template = "none".',
        ) from error
    except _REFUSALS as error:
        raise DataError(f"the chat template refuses this conversation: {error}") from error


def _after_answer(tokenizer: Any, chat: str | None) -> str:
    """What the template puts behind an assistant's message; "" if it will not say."""
    messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
    try:
        _, found, tail = _render(tokenizer, chat, messages, add_generation_prompt=False).rpartition(_PROBE)
    except DataError as error:
        if error.hint:
            raise
        return ""
    return tail if found else ""


def _chat_template(tokenizer: Any, template: str) -> str | None:
    if template == "none":
        return None
    if template == "auto":
        if isinstance(tokenizer.chat_template, str):
            return tokenizer.chat_template
        if isinstance(tokenizer.chat_template, Mapping) and "default" in tokenizer.chat_template:
            return tokenizer.chat_template["default"]
        raise DataError(
            "data.template: the tokenizer has no chat template",
            'Set data.template = "none" (--set data.template=none) to join prompt and completion as they are, or name '
            "a Jinja file; `irltui init` sees to it by itself.",
        )
    try:
        return Path(template).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"data.template: {template}: cannot be read: {error}", 'Name a Jinja file, or use "auto" or "none".'
        ) from error
