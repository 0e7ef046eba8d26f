"""What a chart is given: curves with their names and inks, and what stands around them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from irltui.views.charts import Band, Level
from irltui.views.curves import Curve, Floats, limits, logarithmic, smooth

ROOM_FOR_BAND = 0.5  # of the curves' own range, to either side: more would squeeze them


@dataclass(frozen=True, eq=False)
class Plotted:
    """A curve with its name and ink.

    Attributes:
        measured: its points are evaluations: a mark each, joined, never smoothed.
        wide: the curve to look at first: two dots thick.
        calm: the curve smoothed, None where that is not asked for.
    """

    name: str
    ink: str
    curve: Curve
    measured: bool = False
    wide: bool = False
    calm: Curve | None = None

    @property
    def drawn(self) -> Curve:
        return self.curve if self.calm is None else self.calm

    def calmed(self, smoothing: int, borders: Sequence[float]) -> Plotted:
        """With its mean over so many neighbours, which no measurement gets."""
        asked = smoothing > 1 and not self.measured
        return replace(self, calm=smooth(self.curve, smoothing, borders)) if asked else self


@dataclass(frozen=True)
class Frame:
    """What stands around curves.

    Attributes:
        extent: the x axis, the same in all charts of a screen.
        borders: x where an outer iteration ends.
        better: 1 if higher values are better, -1 if lower, 0 if neither.
        direct: names and values stand at the right ends of the lines; else the value stands in the title.
        help: what stands where no value is yet.
    """

    title: str
    note: str = ""
    extent: tuple[float, float] = (0.0, 1.0)
    borders: Sequence[float] = ()
    band: Band | None = None
    level: Level | None = None
    zero: bool = False
    better: int = 0
    direct: bool = False
    help: str = "no values yet"


def on_log(curves: Sequence[Plotted], frame: Frame) -> tuple[list[Plotted], Frame]:
    band, level = frame.band, frame.level
    band = Band(math.log10(band.low), math.log10(band.high), band.name) if band and band.low > 0 else None
    level = Level(math.log10(level.value), level.name) if level and level.value > 0 else None
    made = [replace(one, curve=logarithmic(one.curve)) for one in curves]
    return made, replace(frame, band=band, level=level, zero=False)


def y_range(values: list[Floats], frame: Frame) -> tuple[float, float]:
    """A range that shows all values, zero where it belongs, and the healthy range if that costs little."""
    low, high = limits(values, padding=0.0)
    if frame.zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if frame.band is not None:
        room = (high - low) * ROOM_FOR_BAND
        for end in (frame.band.low, frame.band.high):
            if low - room <= end <= high + room:
                low, high = min(low, end), max(high, end)
    pad = (high - low) * 0.06 or abs(high) / 2 or 1.0  # a level curve runs through the middle
    return low - pad, high + pad
