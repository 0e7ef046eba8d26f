"""textual-plot's widget, made safe for any numbers: limits, ticks and keys are ours, drawing is theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from textual import on
from textual.events import Click, MouseMove, MouseScrollDown, MouseScrollUp
from textual.message import Message
from textual_plot import HiResMode, PlotWidget
from textual_plot.axis_formatter import AxisFormatter

from irltui.dashboard.curves import Curve, ticks
from irltui.dashboard.figures import compact, duration, figure

DASHES = ((), (6, 3), (2, 2), (9, 3, 2, 3), (4, 5), (1, 3))
"""Lengths drawn and left out in turn, in dots: curves stay apart without colour."""


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
        """What stands beside them."""
        return [self._label(tick) for tick in ticks]

    def _label(self, tick: float) -> str:
        match self.kind:
            case "count":
                return compact(tick)
            case "time":
                return duration(tick)
            case "log":
                return figure(10.0**tick, 2) if -300 < tick < 300 else ""
            case _:
                return (
                    "0"
                    if abs(tick) < 1e-12
                    else figure(tick).rstrip("0").rstrip(".")
                    if "." in figure(tick) and ("e" not in figure(tick))
                    else figure(tick)
                )


@dataclass(frozen=True)
class Frame:
    """What part of the plane is shown."""

    low: float
    high: float
    bottom: float
    top: float


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

    @property
    def columns(self) -> int:
        """Dots across the plot: two a cell."""
        return max(2, 2 * (self.size.width - self.margin_left - 2))

    def begin(self, frame: Frame, x_kind: str, y_kind: str) -> None:
        """Empty the plot and set what it shows."""
        self.clear()
        self.set_xlimits(frame.low, frame.high)
        self.set_ylimits(frame.bottom, frame.top)
        self.set_x_formatter(Ticks(x_kind, max(2, (self.size.width - self.margin_left) // 10)))
        self.set_y_formatter(Ticks(y_kind, max(2, min(8, self.size.height // 2 - 1))))

    def line(self, curve: Curve, colour: str, dash: int = 0) -> None:
        """Draw one stretch; a single point becomes a dot."""
        if len(curve) == 1:
            self.scatter(curve.x, curve.y, marker_style=colour, hires_mode=HiResMode.BRAILLE)
            return
        for part in _dashed(curve, DASHES[dash % len(DASHES)], self._dot):
            self.plot(part.x, part.y, line_style=colour, hires_mode=HiResMode.BRAILLE)

    @property
    def _dot(self) -> float:
        """Width of a dot on the x axis."""
        return (self._x_max - self._x_min) / self.columns

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


def _dashed(curve: Curve, pattern: tuple[int, ...], dot: float) -> list[Curve]:
    """The parts of a curve that a dash pattern leaves, cut where it crosses from on to off along x."""
    if not pattern or dot <= 0:
        return [curve]
    edges = np.cumsum(pattern)
    # A long straight piece has few points: give it two every dot, so that it can be cut.
    count = int(min(4_000, 2 * (curve.x[-1] - curve.x[0]) / dot))
    if count > len(curve):
        x = np.union1d(curve.x, np.linspace(curve.x[0], curve.x[-1], count))
        curve = Curve(x, np.interp(x, curve.x, curve.y))
    place = (curve.x / dot) % edges[-1]
    on_ = np.searchsorted(edges, place, side="right") % 2 == 0
    parts = np.flatnonzero(np.diff(on_.astype(np.int8))) + 1
    pieces = zip(np.split(curve.x, parts), np.split(curve.y, parts), np.split(on_, parts), strict=True)
    return [Curve(x, y) for x, y, kept in pieces if kept[0] and len(x) > 1]
