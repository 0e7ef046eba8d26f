"""One chart: title, legend with values, and the curves, smoothed and thinned before they are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from textual.app import ComposeResult
from textual.containers import Vertical
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.widgets import Static

from irltui.dashboard.content import joined, shown, tell
from irltui.dashboard.palette import Ink
from irltui.dashboard.widgets.plot import Frame, Plot
from irltui.views.curve_styles import LINES
from irltui.views.curves import GAP, Curve, Floats, limits, logarithmic, smooth, thin, value_at
from irltui.views.numbers import bytes_, compact, duration, figure
from irltui.views.panels import Level

SMOOTHINGS = (1, 5, 20, 100)
X_KINDS = {"step": "count", "tokens": "count", "elapsed": "time"}
_NARROWEST, _LOWEST, _NARROW = 18, 5, 50


@dataclass(frozen=True)
class Lens:
    """How curves are looked at; all charts of a screen share one.

    `low` and `high` cut a share of the x axis out; `cursor` is a share of what is shown, None for none.
    """

    x_axis: str = "step"
    smoothing: int = 5
    log: bool = False
    low: float = 0.0
    high: float = 1.0
    cursor: float | None = None

    def zoomed(self, direction: int, around: float | None = None) -> Lens:
        """Zoom in (1) or out (-1) around a share of what is shown; an untouched right edge stays the newest point."""
        span = self.high - self.low
        centre = self.cursor if around is None else around
        centre = (1.0 if self.high >= 1.0 else 0.5) if centre is None else centre
        new = min(1.0, max(0.005, span * (0.7 if direction > 0 else 1 / 0.7)))
        low = min(max(0.0, self.low + centre * (span - new)), 1.0 - new)
        return replace(self, low=low, high=low + new)

    def moved(self, dots: int) -> Lens:
        """Move the cursor; it appears at the right, and pushes what is shown when it leaves."""
        if self.cursor is None:
            return replace(self, cursor=1.0)
        cursor = self.cursor + dots / 60
        if not 0 <= cursor <= 1:
            span = self.high - self.low
            low = min(max(0.0, self.low + (cursor - min(1.0, max(0.0, cursor))) * span), 1.0 - span)
            return replace(self, low=low, high=low + span, cursor=min(1.0, max(0.0, cursor)))
        return replace(self, cursor=cursor)


@dataclass(frozen=True, eq=False)
class Drawn:
    """A curve with its words; `ink` is its place in the palette and among the dashes."""

    label: str
    curve: Curve
    ink: int


@dataclass(frozen=True)
class Subject:
    """What a chart is about: `extent` is the x axis of all charts of a screen, `help` stands where nothing is."""

    title: str
    extent: tuple[float, float] = (0.0, 1.0)
    levels: tuple[Level, ...] = ()
    help: str = ""
    run: str = ""


@dataclass(frozen=True)
class Picture:
    """What is on the screen: its style, its part of the plane, the x axis, how many points each curve had, to where."""

    style: tuple[object, ...]
    frame: Frame
    extent: tuple[float, float]
    counts: tuple[int, ...]
    ends: tuple[float, ...]


class Chart(Vertical, can_focus=True):
    """A chart that redraws only when what it shows has changed."""

    DEFAULT_CSS = """
    Chart { height: 1fr; width: 1fr; padding: 0 1 0 0; }
    Chart > .title { height: 1; color: $foreground; text-style: bold; }
    Chart > .legend { height: 1; color: $foreground; text-wrap: nowrap; text-overflow: ellipsis; }
    Chart:focus > .title { color: $primary; text-style: bold reverse; }
    Chart > .note { height: 1fr; color: $secondary; padding: 1 1; display: none; }
    Chart > Plot { height: 1fr; width: 1fr; }
    Chart Plot > .plot--axis { color: $secondary 55%; }
    Chart Plot > .plot--tick { color: $secondary; text-style: none; }
    """

    class Zoom(Message):
        """The wheel turned."""

        def __init__(self, direction: int, share: float) -> None:
            super().__init__()
            self.direction, self.share = direction, share

    class Pointed(Message):
        """A place on the x axis was clicked."""

        def __init__(self, share: float) -> None:
            super().__init__()
            self.share = share

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002 - Textual's name
        super().__init__(id=id)
        self._key: tuple[object, ...] = ()
        self._subject = Subject("")
        self._columns = 2
        self._picture: Picture | None = None
        self._drawn: list[Drawn] = []
        self._lens = Lens()

    def compose(self) -> ComposeResult:
        """Title, legend, drawing area, and a word where there is nothing to draw."""
        yield Static(classes="title")
        yield Static(classes="legend")
        yield Plot()
        yield Static(classes="note")

    def show(self, subject: Subject, drawn: list[Drawn], lens: Lens) -> None:
        """Show curves; cheap if nothing has changed."""
        self._subject, self._drawn, self._lens = subject, drawn, lens
        if self.is_mounted:
            self._redraw()

    def on_resize(self) -> None:
        """Thin anew for the new width."""
        self._redraw()

    def on_plot_wheel(self, event: Plot.Wheel) -> None:
        """Pass on as ours."""
        event.stop()
        self.post_message(self.Zoom(event.direction, event.share))

    def on_plot_pointed(self, event: Plot.Pointed) -> None:
        """Pass on as ours."""
        event.stop()
        self.focus()
        self.post_message(self.Pointed(event.share))

    def forget(self) -> None:
        """Draw anew at the next occasion, whatever it shows."""
        self._key, self._picture = (), None
        self._redraw()

    # -- drawing ---------------------------------------------------------------------------------

    def _redraw(self) -> None:
        key = (
            self._subject,
            self._lens,
            self.size,
            self.app.theme,
            tuple((d.label, len(d.curve), *d.curve.x[-1:], *map(str, d.curve.y[-1:])) for d in self._drawn),
        )
        if key == self._key or not self.size or not self._subject.title:
            return
        self._key = key
        has_points = any(len(drawn.curve) for drawn in self._drawn)
        room = self.size.width >= _NARROWEST and self.size.height >= _LOWEST
        plot, note = self.query_one(Plot), self.query_one(".note", Static)
        plot.display, note.display = has_points and room, not has_points
        if not has_points:
            tell(note, shown(self._subject.help or "nothing yet"))
        self._columns = plot.columns(self.size.width)
        if self._picture is not None and has_points and room and not self._would_differ(self._picture):
            self._words(self._picture.frame)
            return
        frame, curves = self._prepared()
        counts, ends = [len(d.curve) for d in self._drawn], [_end(d.curve) for d in self._drawn]
        self._picture = Picture(self._style(), frame, self._subject.extent, tuple(counts), tuple(ends))
        self._words(frame)
        if has_points and room:
            self._draw(plot, frame, curves)

    def _style(self) -> tuple[object, ...]:
        """All that a picture depends on but points."""
        labels = tuple((drawn.label, drawn.ink) for drawn in self._drawn)
        subject = self._subject
        return subject.run, subject.title, subject.levels, self._lens, self.size, self.app.theme, labels

    def _would_differ(self, picture: Picture) -> bool:
        """Whether what has come since would move a dot: on a long run most steps fall into the last column."""
        extent = self._subject.extent
        column = (extent[1] - extent[0]) * (self._lens.high - self._lens.low) / self._columns
        moved = max(abs(now - then) for now, then in zip(extent, picture.extent, strict=True))
        if picture.style != self._style() or self._lens.log or moved >= column:
            return True
        for drawn, seen, end in zip(self._drawn, picture.counts, picture.ends, strict=True):
            new = drawn.curve.y[seen:]
            few = len(drawn.curve) != seen and len(drawn.curve) <= self._columns
            if len(drawn.curve) < seen or few or _end(drawn.curve) - end >= column or not np.isfinite(new).all():
                return True
            if len(new) and not (picture.frame.bottom <= new.min() and new.max() <= picture.frame.top):
                return True
        return False

    def _prepared(self) -> tuple[Frame, list[tuple[Curve, Curve]]]:
        """What is shown of the plane, and of each curve the raw and the smoothed form."""
        lens = self._lens
        curves = []
        for drawn in self._drawn:
            raw = logarithmic(drawn.curve) if lens.log else drawn.curve
            soft = smooth(drawn.curve, lens.smoothing) if len(drawn.curve) > 2 * lens.smoothing else drawn.curve
            curves.append((raw, logarithmic(soft) if lens.log else soft))
        first, last = self._subject.extent
        span = last - first
        if span <= max(1e-9, abs(last) * 1e-9):
            first, last = first - 0.5 - abs(first) * 1e-6, last + 0.5 + abs(last) * 1e-6
            span = last - first
        low, high = first + lens.low * span, first + lens.high * span
        # Levels are part of what is shown: ln 2 says how far the loss has come.
        visible: list[Floats] = [_inside(raw, low, high) for raw, _ in curves]
        bottom, top = limits([*visible, *self._level_values(visible)])
        return Frame(low, high, bottom, top), curves

    def _level_values(self, visible: list[Floats]) -> list[Floats]:
        values = [np.array([level]) for level in map(self._level, self._subject.levels) if math.isfinite(level)]
        bottom, top = limits(visible, 0.0)
        reach = 3 * max(top - bottom, abs(top) * 0.05)
        return [value for value in values if bottom - reach <= float(value[0]) <= top + reach]

    def _level(self, level: Level) -> float:
        if not self._lens.log:
            return level.value
        return math.log10(level.value) if level.value > 0 else math.nan

    def _draw(self, plot: Plot, frame: Frame, curves: list[tuple[Curve, Curve]]) -> None:
        theme = self.app.current_theme
        ink = Ink(theme.background or "#000000", theme.dark)
        plot.begin(
            frame,
            Size(self.size.width, self.size.height - 2),
            X_KINDS[self._lens.x_axis],
            "log" if self._lens.log else "number",
        )
        for level in self._subject.levels:
            height = self._level(level)
            if frame.bottom <= height <= frame.top:
                plot.line([Curve(np.array([frame.low, frame.high]), np.array([height, height]))], ink.line, 5)
        marks: list[Floats] = []
        for faint in (True, False):
            for drawn, (raw, soft) in zip(self._drawn, curves, strict=True):
                if faint and soft is raw:
                    continue
                thinned = thin(raw if faint else soft, frame.low, frame.high, self._columns)
                marks.append(thinned.marks)
                colour = ink.behind(drawn.ink) if faint else ink.curve(drawn.ink)
                plot.line(thinned.stretches, colour, 0 if faint else drawn.ink, behind=faint)
        gaps = np.unique(np.concatenate(marks)) if marks else np.empty(0)
        if len(gaps):
            plot.gaps(gaps, f"bold {ink.mark}")
        if self._lens.cursor is not None:
            inside = (frame.high - frame.low) / 1_000  # the library fails outside of the frame
            place = min(frame.high - inside, max(frame.low + inside, self._cursor(frame)))
            plot.add_v_line(place, line_style=ink.line)

    def _cursor(self, frame: Frame) -> float:
        x = frame.low + (self._lens.cursor or 0.0) * (frame.high - frame.low)
        return round(x) if self._lens.x_axis == "step" else x

    # -- words -----------------------------------------------------------------------------------

    def _words(self, frame: Frame) -> None:
        lens = self._lens
        at = self._cursor(frame) if lens.cursor is not None else math.inf
        ink = Ink("#000000", self.app.current_theme.dark)
        gaps = sum(int((~np.isfinite(d.curve.y)).sum()) for d in self._drawn)
        title = [shown(self._subject.title)]
        if lens.cursor is not None:
            title.append(Content.styled(f"at {_place(lens.x_axis, at)}", "$primary"))
        if gaps:
            title.append(Content.styled(f"{GAP} {gaps} not finite", "bold $error"))
        title += [Content.styled(words, "$secondary not bold") for words in self._states()]
        tell(self.query_one(".title", Static), joined(title), layout=False)
        narrow = self.size.width < _NARROW
        entries = [
            Content.assemble(
                (LINES[drawn.ink % len(LINES)], ink.curve(drawn.ink)),
                "" if narrow else " ",
                shown(drawn.label, limit=24),
                " " if drawn.label else "",
                (_amount(drawn.label, value_at(drawn.curve, at)), "bold"),
            )
            for drawn in self._drawn
            if len(drawn.curve)
        ]
        named = [level.label for level in self._subject.levels if level.label and self._drawn]
        entries += [Content.styled(f"·· {label}", "$secondary") for label in named]
        tell(self.query_one(".legend", Static), joined(entries, " " if narrow else "  "), layout=False)

    def _states(self) -> list[str]:
        lens = self._lens
        states = [] if not lens.log else ["log"]
        if lens.high - lens.low < 1:
            states.append(f"{lens.low:.0%} to {lens.high:.0%}")
        return states


def _end(curve: Curve) -> float:
    return float(curve.x[-1]) if len(curve) else -math.inf


def _inside(curve: Curve, low: float, high: float) -> Floats:
    values: Floats = curve.y[(curve.x >= low) & (curve.x <= high)]
    return values


def _place(x_axis: str, x: float) -> str:
    if x_axis == "elapsed":
        return duration(x)
    return f"{x_axis.removesuffix('s')} {round(x)}" if x_axis == "step" else f"{compact(x)} tokens"


def _amount(label: str, value: float) -> str:
    return bytes_(value) if label in {"peak", "process", "GPU"} and math.isfinite(value) else figure(value)
