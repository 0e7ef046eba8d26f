"""textual-plot's widget, made safe for any numbers: limits, ticks and keys are ours, drawing is theirs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from textual import on
from textual.events import Click, MouseMove, MouseScrollDown, MouseScrollUp
from textual.geometry import Region, Size
from textual.message import Message
from textual_hires_canvas import Canvas
from textual_plot import PlotWidget
from textual_plot.axis_formatter import AxisFormatter

from irltui.views import braille as dots
from irltui.views.curve_styles import DASHES
from irltui.views.curves import GAP, Curve, Floats, ticks
from irltui.views.numbers import compact, duration, figure


class Ticks(AxisFormatter):
    """Round numbers that fit; never fails, whatever the range.

    Args:
        kind: number, count, time (seconds) or log (the axis shows log10 of the value).
        most: how many labels there is room for.
    """

    def __init__(self, kind: str = "number", most: int = 5) -> None:
        self.kind, self.most = kind, most

    def get_ticks(self, min_: float, max_: float, max_ticks: int = 8) -> list[float]:
        """Where ticks stand."""
        found = ticks(min_, max_, min(self.most, max_ticks))
        if self.kind == "count":
            return [tick for tick in found if tick == int(tick)]
        return found

    def get_labels_for_ticks(self, ticks: Sequence[float]) -> list[str]:
        """What stands beside them: with the digits that tell them apart, as far as there is room; no label twice."""
        labels = [self._label(tick, _digits(ticks)) for tick in ticks]
        return ["" if label in labels[:i] else label for i, label in enumerate(labels)]

    def _label(self, tick: float, digits: int) -> str:
        match self.kind:
            case "count":
                return compact(tick)
            case "time":
                return duration(tick)
            case "log":
                return figure(10.0**tick, 2) if -300 < tick < 300 else ""
            case _:
                if abs(tick) < 1e-12:
                    return "0"
                label = figure(tick, digits)
                return label.rstrip("0").rstrip(".") if "." in label and "e" not in label else label


def _digits(ticks: Sequence[float]) -> int:
    """How many significant digits the largest needs to show the step between two."""
    largest, step = max(map(abs, ticks), default=0.0), abs(ticks[1] - ticks[0]) if len(ticks) > 1 else 0.0
    if not (0 < step < math.inf and largest < math.inf):
        return 3
    return min(5, max(3, math.floor(math.log10(largest)) - math.floor(math.log10(step)) + 1))


@dataclass(frozen=True)
class Frame:
    """What part of the plane is shown."""

    low: float
    high: float
    bottom: float
    top: float


@dataclass(frozen=True, eq=False)
class Stroke:
    """A curve to draw: its stretches, colour, dash pattern, and whether it gives way to all others."""

    stretches: Sequence[Curve]
    colour: str
    dash: tuple[int, ...]
    behind: bool


class Plot(PlotWidget, can_focus=False):
    """A drawing area without keys of its own; wheel and pointer come out as messages with a share of the width."""

    class Wheel(Message):
        """The wheel turned over the plot: `direction` 1 is in."""

        def __init__(self, direction: int, share: float) -> None:
            super().__init__()
            self.direction, self.share = direction, share

    class Pointed(Message):
        """The plot was clicked."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self) -> None:
        super().__init__(allow_pan_and_zoom=False)
        for margin, cells in ((Plot.margin_top, 0), (Plot.margin_bottom, 1), (Plot.margin_left, 7)):
            self.set_reactive(margin, cells)
        self._strokes: list[Stroke] = []
        self._marks: list[float] = []
        self._mark_style = ""

    def columns(self, width: int) -> int:
        """Dots across a plot of that width: two a cell."""
        return max(2, 2 * (width - self.margin_left - 2))

    def begin(self, frame: Frame, size: Size, x_kind: str, y_kind: str) -> None:
        """Empty the plot and set what it shows; `size` is what it will have once it is laid out."""
        self._strokes.clear()
        self._marks.clear()
        self.clear()
        self.set_xlimits(frame.low, frame.high)
        self.set_ylimits(frame.bottom, frame.top)
        self.set_x_formatter(Ticks(x_kind, max(2, (size.width - self.margin_left) // 10)))
        self.set_y_formatter(Ticks(y_kind, max(2, min(8, size.height // 2 - 1))))

    def line(self, stretches: Sequence[Curve], colour: str, dash: int = 0, *, behind: bool = False) -> None:
        """Draw the stretches of one curve, over those drawn before or behind all others."""
        self._strokes.append(Stroke(stretches, colour, DASHES[dash % len(DASHES)], behind))

    def gaps(self, places: Floats, style: str) -> None:
        """Mark where values were not finite, at the foot of the plot."""
        self._marks, self._mark_style = [float(x) for x in places], style

    def _render_plot(self) -> None:
        """The library draws frame, ticks and cursor; the curves come over them."""
        canvas = self.query_one("#plot", Canvas)
        with canvas.batch_refresh():
            super()._render_plot()
            area = self._scale_rectangle
            if area.width > 0 and area.height > 0 and self._x_max > self._x_min and self._y_max > self._y_min:
                self._draw_strokes(canvas, area)

    def _draw_strokes(self, canvas: Canvas, area: Region) -> None:
        patterns = np.zeros((area.height, area.width), dtype=np.int64)
        owner = np.zeros_like(patterns)
        strokes = sorted(self._strokes, key=lambda stroke: not stroke.behind)
        across, down = 2 * area.width / (self._x_max - self._x_min), 4 * area.height / (self._y_max - self._y_min)
        for number, stroke in enumerate(strokes):
            found = dots.blank(area.width, area.height)
            for stretch in stroke.stretches:
                dots.stroke(found, Curve((stretch.x - self._x_min) * across, (self._y_max - stretch.y) * down))
            drawn = dots.cells(dots.dashed(found, stroke.dash))
            here = drawn > 0
            hides = here & np.array([one.behind for one in strokes])[owner] & (not stroke.behind)
            patterns = np.where(hides, drawn, patterns | drawn)
            owner[here] = number
        for y, x in np.argwhere(patterns):
            style = strokes[owner[y, x]].colour
            canvas.set_pixel(int(x) + area.x, int(y) + area.y, chr(dots.BLANK + int(patterns[y, x])), style)
        for mark in self._marks:
            x, y = self.get_pixel_from_coordinate(mark, self._y_min)
            canvas.set_pixel(min(max(x, area.x), area.right - 1), area.bottom - 1, GAP, self._mark_style)

    def _share(self, x: int) -> float:
        return min(1.0, max(0.0, (x - self.margin_left - 1) / max(1, self.size.width - self.margin_left - 2)))

    @on(MouseScrollDown)
    def _wheel_down(self, event: MouseScrollDown) -> None:
        self.post_message(self.Wheel(-1, self._share(event.screen_x - self.region.x)))

    @on(MouseScrollUp)
    def _wheel_up(self, event: MouseScrollUp) -> None:
        self.post_message(self.Wheel(1, self._share(event.screen_x - self.region.x)))

    @on(MouseMove)
    def _moved(self, event: MouseMove) -> None:
        if event.button == 1:
            self.post_message(self.Pointed(self._share(event.screen_x - self.region.x)))

    @on(Click)
    def _clicked(self, event: Click) -> None:
        self.post_message(self.Pointed(self._share(event.screen_x - self.region.x)))
