"""The one widget for text: rows of spans, of which only those that changed are painted again."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

from rich.segment import Segment
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from irltui.dashboard.theme import Palette
from irltui.views.spans import Row, clean

if TYPE_CHECKING:
    from irltui.dashboard.app import Dashboard


class Lines(ScrollView):
    """Rows of spans; with `selectable` one item has the cursor: an accent bar at its left.

    Attributes:
        rows: what stands here.
        index: the row under the cursor.
        tall: rows of one item.
    """

    DEFAULT_CSS = """
    Lines { height: 1fr; overflow-x: hidden; scrollbar-size-vertical: 1; background: $background; }
    Lines.one { height: 1; overflow-y: hidden; scrollbar-size: 0 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up,k", "move(-1)", show=False),
        Binding("down,j", "move(1)", show=False),
        Binding("pageup", "move(-10)", show=False),
        Binding("pagedown", "move(10)", show=False),
        Binding("home", "move(-9999)", show=False),
        Binding("end", "move(9999)", show=False),
    ]

    class Moved(Message):
        """The cursor is on another item."""

        def __init__(self, lines: Lines) -> None:
            super().__init__()
            self.lines = lines

        @property
        def control(self) -> Lines:
            """The lines it moved in."""
            return self.lines

    class Resized(Message):
        """There is another number of columns for text."""

    class Chosen(Moved):
        """The item under the cursor was clicked again."""

    def __init__(self, name: str, *, selectable: bool = False, ground: str = "background", classes: str = "") -> None:
        super().__init__(id=name, classes=classes)
        self.can_focus, self.ground = selectable, ground
        self.rows: list[Row] = []
        self.index, self.tall = 0, 1
        self._room = -1

    @property
    def palette(self) -> Palette:
        return cast("Dashboard", self.app).palette

    @property
    def room(self) -> int:
        return max(0, self.scrollable_content_region.width - self.can_focus)

    def say(self, *rows: Row) -> None:
        old, self.rows = self.rows, list(rows)
        last = max(len(rows) - self.tall, 0)
        self.index = min(self.index, last)
        if len(old) != len(self.rows):
            self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows))
            self.refresh()
            return
        top = round(self.scroll_y)
        pairs = enumerate(zip(old, self.rows, strict=True))
        if changed := [Region(0, i - top, self.size.width, 1) for i, (a, b) in pairs if a != b]:
            self.refresh(*changed)

    def put(self, index: int) -> None:
        """Put the cursor on a row without telling anybody."""
        if index != self.index:
            self.index = index
            self.scroll_to_region(Region(0, index, 1, self.tall), animate=False)
            self.refresh()

    def render_line(self, y: int) -> Strip:
        palette, at = self.palette, y + round(self.scroll_y)
        width = self.scrollable_content_region.width
        here = self.can_focus and at < len(self.rows) and at // self.tall == self.index // self.tall
        here = here and (self.has_focus or len(self.rows) > 1)
        ground = ("accent~24" if self.has_focus else "panel") if here else self.ground
        blank = palette.style("foreground", ground)
        if at >= len(self.rows):
            return Strip.blank(width, blank)
        parts = [
            Segment(clean(span.text), palette.style(span.ink, span.ground or ground, "b" in span.look, span.look))
            for span in self.rows[at]
        ]
        if self.can_focus:
            bar = palette.style("accent" if self.has_focus else "muted~60", ground)
            parts.insert(0, Segment("▎" if here else " ", bar))
        return Strip(parts).adjust_cell_length(width, blank).simplify()

    def action_move(self, by: int) -> None:
        if not self.can_focus:
            self.scroll_relative(y=by, animate=False)
            return
        last = max((len(self.rows) - 1) // self.tall * self.tall, 0)
        at = min(max(self.index + by * self.tall, 0), last)
        if at != self.index:
            self.put(at)
            self.post_message(self.Moved(self))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; on the chosen item it chooses."""
        at = event.y + round(self.scroll_y)
        if not self.can_focus or at >= len(self.rows):
            return
        if at // self.tall == self.index // self.tall:
            self.post_message(self.Chosen(self))
        else:
            self.action_move(at // self.tall - self.index // self.tall)

    def on_resize(self) -> None:
        if self.room != self._room:
            self._room = self.room
            self.post_message(self.Resized())

    def on_focus(self) -> None:
        self.refresh()

    on_blur = on_focus
