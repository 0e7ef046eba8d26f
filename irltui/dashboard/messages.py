"""What parts of the dashboard tell each other; named by what has happened."""

from __future__ import annotations

from textual.message import Message


class LineEntered(Message):
    """A line was typed into a filter; it is applied while it is typed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.text = text


class LineLeft(Message):
    """A filter was left; `kept` says whether its text still counts."""

    def __init__(self, *, kept: bool) -> None:
        super().__init__()
        self.kept = kept
