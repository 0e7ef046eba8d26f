"""A line at the bottom to filter by, shown only while it is used."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message
from textual.widgets import Input


class FilterLine(Input):
    """Filters while it is typed into; enter keeps the text, escape drops it."""

    DEFAULT_CSS = """
    FilterLine { display: none; border: none; height: 1; background: $panel; padding: 0 1; }
    FilterLine:focus { border: none; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "drop", "clear", show=False)]

    class Entered(Message):
        """The text has changed."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    class Left(Message):
        """The line was left."""

    def __init__(self, hint: str = "words to show; enter keeps them, esc clears") -> None:
        super().__init__(placeholder=hint, disabled=True, compact=True)

    def begin(self) -> None:
        self.display, self.disabled = True, False
        self.focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(self.Entered(event.value))

    def on_input_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display, self.disabled = bool(self.value), True
        self.post_message(self.Left())

    def action_drop(self) -> None:
        self.value = ""
        self.display, self.disabled = False, True
        self.post_message(self.Left())
