"""Questions that interrupt: leave a working engine, stop it, type a prompt or a note. Each returns its answer."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from irltui.dashboard.content import shown


class Leave(StrEnum):
    """Answers to leaving while an engine works."""

    DETACH = "detach"
    STOP = "stop"
    CANCEL = "cancel"


class LeaveDialog(ModalScreen[Leave]):
    """The engine is a process of its own: leaving does not end it."""

    CSS_PATH = "dialogs.tcss"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,c", "answer('cancel')", "cancel"),
        Binding("d,q", "answer('detach')", "detach"),
        Binding("s", "answer('stop')", "stop"),
        Binding("up,left", "app.focus_previous", show=False),
        Binding("down,right", "app.focus_next", show=False),
    ]

    def __init__(self, name: str) -> None:
        super().__init__()
        self._run_name = name

    def compose(self) -> ComposeResult:
        """The question and three answers."""
        with Vertical(id="dialog"):
            yield Static(shown(self._run_name, "bold", limit=50))
            yield Static("Its engine is working, and goes on without the dashboard.\nirltui opens it here again.")
            with Vertical(id="buttons"):
                yield Button("Detach (d)", id="detach", compact=True)
                yield Button("Stop with checkpoint (s)", id="stop", compact=True)
                yield Button("Cancel (c)", id="cancel", compact=True)

    def on_mount(self) -> None:
        """Enter detaches."""
        self.query_one("#detach").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer was chosen."""
        self.action_answer(event.button.id or Leave.CANCEL)

    def action_answer(self, answer: str) -> None:
        """Give the answer."""
        self.dismiss(Leave(answer))


class ConfirmDialog(ModalScreen[bool]):
    """Yes or no."""

    CSS_PATH = "dialogs.tcss"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,n", "answer(False)", "no"),
        Binding("y", "answer(True)", "yes"),
        Binding("up,left", "app.focus_previous", show=False),
        Binding("down,right", "app.focus_next", show=False),
    ]

    def __init__(self, question: str, yes: str) -> None:
        super().__init__()
        self._question, self._yes = question, yes

    def compose(self) -> ComposeResult:
        """The question and two answers."""
        with Vertical(id="dialog"):
            yield Static(shown(self._question, lines=True))
            with Vertical(id="buttons"):
                yield Button(f"{self._yes} (y)", id="yes", compact=True)
                yield Button("Cancel (n)", id="no", compact=True)

    def on_mount(self) -> None:
        """Enter does not do it by accident."""
        self.query_one("#no").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """An answer was chosen."""
        self.action_answer(event.button.id == "yes")

    def action_answer(self, answer: bool) -> None:
        """Give the answer."""
        self.dismiss(answer)


class TextDialog(ModalScreen[str | None]):
    """A line to type; None if it was left by escape.

    Args:
        title: what is asked.
        hint: what an empty line means.
        may_be_empty: whether an empty line is an answer.
    """

    CSS_PATH = "dialogs.tcss"

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "cancel", "cancel")]

    def __init__(self, title: str, hint: str, *, may_be_empty: bool) -> None:
        super().__init__()
        self._title, self._hint, self._may_be_empty = title, hint, may_be_empty

    def compose(self) -> ComposeResult:
        """A title and a line."""
        with Vertical(id="dialog"):
            yield Static(shown(self._title, "bold"))
            yield Input(placeholder=self._hint, compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """The line is done."""
        text = event.value.strip()
        if text or self._may_be_empty:
            self.dismiss(text)

    def action_cancel(self) -> None:
        """No answer."""
        self.dismiss(None)
