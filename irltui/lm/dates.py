"""Chat templates that write today's date (`strftime_now`) write that of the run's beginning instead.

Otherwise a run that goes on after midnight would train on other prompts than it began with.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

_NAME = "strftime_now"
_DIRECTIVES = ("-d", "-m", "-H", "-I", "-M", "-S", "-j", "-y", *"aAwdbBmyYHIpMSfzZjUWcxXGuV", "%")


def fix_date(tokenizer: Any, begun: float) -> None:
    """Let this tokenizer's templates see the UTC time `begun`, in seconds since 1970, whenever they are rendered."""
    tokenizer.apply_chat_template = _Dated(tokenizer, tokenizer.apply_chat_template, _macro(begun))


class _Dated:
    """`apply_chat_template` with a macro in front of templates that ask for the date; a class, so that it pickles.

    transformers lets no function of ours into a template, and what it renders must stay what is saved.
    """

    def __init__(self, tokenizer: Any, apply: Any, macro: str) -> None:
        self._tokenizer, self._apply, self._macro = tokenizer, apply, macro

    def __call__(
        self, conversation: Any, *, chat_template: str | None = None, tools: Any = None, **options: Any
    ) -> Any:
        template = self._tokenizer.get_chat_template(chat_template, tools)
        if _NAME in template:
            template = self._macro + template
        return self._apply(conversation, chat_template=template, tools=tools, **options)


def _macro(begun: float) -> str:
    """`strftime` as a Jinja macro that knows one moment."""
    moment = datetime.fromtimestamp(begun, UTC).replace(tzinfo=None)
    values = {f"%{directive}": moment.strftime(f"%{directive}") for directive in _DIRECTIVES}
    replaced = "".join(f" | replace({directive!r}, {value!r})" for directive, value in values.items())
    return f"{{%- macro {_NAME}(format) -%}}{{{{ format{replaced} }}}}{{%- endmacro -%}}"
