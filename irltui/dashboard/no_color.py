"""NO_COLOR with charts: Textual's filter to greys fails on segments without a style, which drawing areas have."""

from __future__ import annotations

from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter


class Styled(LineFilter):
    """Another filter, handed segments that all have a style."""

    def __init__(self, inner: LineFilter) -> None:
        super().__init__()
        self._inner = inner

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Filter a line."""
        nothing = Style.null()
        styled = [Segment(text, style or nothing, control) for text, style, control in segments]
        return self._inner.apply(styled, background)
