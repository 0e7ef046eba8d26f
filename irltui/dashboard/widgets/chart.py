"""The chart widget: draws into cells, and paints again only the spans of rows that differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from rich.segment import Segment
from textual import events
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from irltui.dashboard.theme import Palette
from irltui.dashboard.widgets.drawing import LOWEST, NARROWEST, Cells, draw
from irltui.dashboard.widgets.glyphs import glyphs_for
from irltui.dashboard.widgets.lens import Lens
from irltui.dashboard.widgets.plotted import Frame, Plotted

if TYPE_CHECKING:
    from irltui.dashboard.app import Dashboard


class Chart(Widget, can_focus=True):
    """One chart; with `still` it is only looked at."""

    DEFAULT_CSS = "Chart { width: 1fr; height: 1fr; min-height: 4; background: $background; }"

    class Zoom(Message):
        """The wheel turned: 1 is in, at a share of the width."""

        def __init__(self, direction: int, share: float) -> None:
            super().__init__()
            self.direction, self.share = direction, share

    class Pointed(Message):
        """A place on the x axis was clicked."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self, name: str, *, still: bool = False) -> None:
        super().__init__(id=name)
        self.can_focus, self._still = not still, still
        self.curves: Sequence[Plotted] = ()
        self.frame, self.lens = Frame(""), Lens()
        self._cells: Cells = []
        self._strips: dict[int, Strip] = {}

    @property
    def palette(self) -> Palette:
        return cast("Dashboard", self.app).palette

    def show(self, curves: Sequence[Plotted], frame: Frame, lens: Lens | None = None) -> None:
        self.curves, self.frame, self.lens = curves, frame, lens or self.lens
        self.redraw()

    def step_of(self, direction: int) -> float:
        """Where the crosshair goes: a share of what is shown, the newest point if there was none."""
        low, high = self.frame.extent
        low, span = low + (high - low) * self.lens.low, (high - low) * (self.lens.high - self.lens.low)
        x = self.curves[0].curve.x
        if not len(x) or span <= 0:
            return 1.0
        if self.lens.cursor is None:
            return float(min(x[-1] - low, span) / span)
        now = low + span * self.lens.cursor
        least = span / max(2, 2 * self.size.width)
        wanted = now + direction * least
        at = (
            int(np.searchsorted(x, wanted - span * 1e-9))
            if direction > 0
            else int(np.searchsorted(x, wanted + span * 1e-9)) - 1
        )
        return float((x[min(max(at, 0), len(x) - 1)] - low) / span)

    def redraw(self) -> None:
        width, height = self.size
        if width < NARROWEST or height < LOWEST:
            return
        cells = draw(self.curves, self.frame, self.lens, (width, height), glyphs_for(), self.has_focus)
        dirty = []
        for y, row in enumerate(cells):
            old = self._cells[y] if y < len(self._cells) and len(self._cells[y]) == width else None
            if row == old:
                continue
            self._strips.pop(y, None)
            changed = [x for x in range(width) if old is None or row[x] != old[x]]
            dirty.append(Region(changed[0], y, changed[-1] - changed[0] + 1, 1))
        self._cells = cells
        if dirty:
            self.refresh(*dirty)

    def repaint(self) -> None:
        self._strips.clear()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        palette = self.palette
        if y >= len(self._cells):
            return Strip.blank(self.size.width, palette.style())
        if y not in self._strips:
            parts: list[Segment] = []
            text, look = "", self._cells[y][0][1:]
            for character, *rest in self._cells[y]:
                if tuple(rest) != look:
                    parts.append(Segment(text, palette.style(*look)))
                    text, look = "", (rest[0], rest[1], rest[2])
                text += character
            parts.append(Segment(text, palette.style(*look)))
            self._strips[y] = Strip(parts, len(self._cells[y]))
        return self._strips[y]

    # -- what happens to it --------------------------------------------------------------------

    def on_resize(self) -> None:
        self._cells.clear()
        self._strips.clear()
        self.redraw()

    def on_focus(self) -> None:
        self.redraw()

    on_blur = on_focus

    def _share(self, event: events.MouseEvent) -> float:
        return min(1.0, max(0.0, event.x / max(1, self.size.width - 1)))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        if not self._still:
            self.post_message(self.Zoom(-1, self._share(event)))

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        if not self._still:
            self.post_message(self.Zoom(1, self._share(event)))

    def on_click(self, event: events.Click) -> None:
        """Read the values there."""
        if not self._still:
            self.post_message(self.Pointed(self._share(event)))
