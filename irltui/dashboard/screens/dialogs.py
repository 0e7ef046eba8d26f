"""Questions that interrupt: choose one of a few answers, or type a line. Each returns its answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from irltui.text import safe

DETACH, STOP, CANCEL, YES = "detach", "stop", "cancel", "yes"


class Choice(NamedTuple):
    """An answer: what it returns, its keys, the first of which is shown, and its words."""

    answer: str
    keys: str
    words: str


LEAVING = (
    Choice(DETACH, "d,q", "Detach"),
    Choice(STOP, "s", "Stop with checkpoint"),
    Choice(CANCEL, "c,escape", "Cancel"),
)


class ChoiceDialog(ModalScreen[str]):
    """A question and its answers; enter gives the one at `default`."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,left", "app.focus_previous", show=False),
        Binding("down,right", "app.focus_next", show=False),
    ]

    def __init__(self, title: str, question: str, choices: Sequence[Choice], default: int = 0) -> None:
        super().__init__()
        self._title, self._question, self._choices, self._default = title, question, choices, default
        for choice in choices:
            self._bindings.bind(choice.keys, f"answer('{choice.answer}')", choice.answer)

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(Content.styled(safe(self._title, limit=50), "bold"))
            yield Static(Content(self._question))
            with Vertical(id="buttons"):
                for choice in self._choices:
                    words = f"{choice.words} ({choice.keys.partition(',')[0]})"
                    yield Button(words, id=choice.answer, compact=True)

    def on_mount(self) -> None:
        self.query_one(f"#{self._choices[self._default].answer}").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_answer(event.button.id or CANCEL)

    def action_answer(self, answer: str) -> None:
        self.dismiss(answer)


class TextDialog(ModalScreen[str | None]):
    """A line to type; None if it was left by escape.

    Args:
        title: what is asked.
        hint: what to type.
        may_be_empty: whether an empty line is an answer.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, title: str, hint: str, *, may_be_empty: bool = False) -> None:
        super().__init__()
        self._title, self._hint, self._may_be_empty = title, hint, may_be_empty

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(Content.styled(self._title, "bold"))
            yield Input(compact=True)
            yield Static(Content.styled(f"{self._hint}. esc cancels.", "$muted"), id="hint")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        text = event.value.strip()
        if text or self._may_be_empty:
            self.dismiss(text)

    def action_cancel(self) -> None:
        self.dismiss(None)
