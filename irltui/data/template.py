"""From prompt and completion to token ids: the one place where text becomes tokens.

A prompt is tokenised once and its ids serve sampling and training alike; a response is tokenised by itself and
appended, so no merge crosses the boundary. A response ends with the token that the model itself would end with.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import TemplateError

from irltui.errors import DataError, ModelError

Message = Mapping[str, str]  # {"role": ..., "content": ...}
_PROBE = "irltui probe"


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
        self.name = "none" if self._chat is None else template if template != "auto" else "the tokenizer's"
        self.end_id = self._end(eos_ids)

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
        return ids[:-1] if ids and ids[-1] == self._tokenizer.eos_token_id and len(ids) > 1 else ids

    def _render(self, messages: Sequence[Message], *, add_generation_prompt: bool) -> str:
        try:
            return self._tokenizer.apply_chat_template(
                list(messages),
                chat_template=self._chat,
                add_generation_prompt=add_generation_prompt,
                tokenize=False,
            )
        except (TemplateError, ValueError, TypeError, KeyError) as error:
            raise DataError(f"the chat template refuses this conversation: {error}") from error

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
            messages = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _PROBE}]
            _, found, tail = self._render(messages, add_generation_prompt=False).rpartition(_PROBE)
            for token in self._encode(tail, special=False) if found else []:
                if token in eos_ids:
                    return token
        own = self._tokenizer.eos_token_id
        return own if own in eos_ids else min(eos_ids)


def eos_ids(tokenizer: Any, generation_eos: int | Sequence[int] | None) -> frozenset[int]:
    """All ids that end a response: the tokenizer's and those of the model's generation config."""
    found = {tokenizer.eos_token_id}
    if isinstance(generation_eos, int):
        found.add(generation_eos)
    else:
        found.update(generation_eos or ())
    return frozenset(int(token) for token in found if token is not None)


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
            'Set data.template = "none" to join prompt and completion as they are, or name a Jinja file.',
        )
    try:
        return Path(template).expanduser().read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"data.template: {template}: cannot be read: {error}", 'Name a Jinja file, or use "auto" or "none".'
        ) from error
