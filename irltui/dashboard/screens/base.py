"""What the main screens have in common: tabs on top, a line that answers keys, and the keys; redrawn when seen."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING, ClassVar, cast

from textual import events
from textual.app import ComposeResult
from textual.screen import Screen

from irltui.dashboard.keymap import ENGINE, EVERYWHERE, Key, keys_of
from irltui.dashboard.reply import reply
from irltui.dashboard.store import Store
from irltui.dashboard.widgets.filter_line import FilterLine
from irltui.dashboard.widgets.lines import Lines
from irltui.views.spans import Row, S, length, spread

if TYPE_CHECKING:
    from irltui.dashboard.app import Dashboard

TABS = ("Runs", "Run", "Samples", "Compare", "Check")
NARROW = 60
"""Columns below which only what matters most is said."""
READ_WITHIN = 6.0  # seconds that an answer to a key of the view stands
_BETWEEN = "   "


class MainScreen(Screen[None]):
    """A screen of its own mode.

    Tabs stand on the first row, the reply line last but one, the keys last, whatever the size.
    """

    AUTO_FOCUS = ""
    KEYS_GO_TO: ClassVar[str] = ""
    """The widget that has the keys when no line is typed, "" for none."""
    TAB: ClassVar[int] = 0
    scrolls = ""
    """What pgup and pgdn scroll."""
    SCOPES: ClassVar[tuple[str, ...]] = (EVERYWHERE,)
    _is_composed = _will_redraw = False

    def __init__(self) -> None:
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-tiny"), (NARROW, "-small"), (100, "-medium"), (160, "-large")]
        self.VERTICAL_BREAKPOINTS = [(0, "-flat"), (20, "-low"), (32, "-mid"), (48, "-tall")]
        self.wanted = ""
        self._said: Row = []
        self._said_at = 0.0
        self._places: list[tuple[int, int, str]] = []  # of the footer: columns and the action they mean

    def compose(self) -> ComposeResult:
        yield Lines("tabs", classes="one")
        yield from self.body()
        yield Lines("reply", classes="one")
        yield Lines("keys", ground="surface", classes="one")

    def body(self) -> ComposeResult:
        yield from ()

    @property
    def dashboard(self) -> Dashboard:
        return cast("Dashboard", self.app)

    @property
    def store(self) -> Store:
        return self.dashboard.store

    def on_mount(self) -> None:
        self._is_composed = True

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keys that arrive before the widgets mean nothing yet."""
        return self._is_composed

    def redraw(self) -> None:
        if self._is_composed and self.size:
            self.draw_edges()
            self.draw()

    def draw(self) -> None:
        """Tell the widgets what to show."""

    def draw_edges(self) -> None:
        """Tabs, reply and keys."""
        width = self.size.width
        row: Row = [S(" irltui ", "muted")] if width >= NARROW else []
        for i, label in enumerate(self._labels, 1):
            here = i == self.TAB
            row += [S(label, "background" if here else "muted", "b" if here else "", "accent" if here else ""), S(" ")]
        self.say("tabs", spread(row, [*self.corner(), S(" ")], width))
        self.say("keys", self._footer(width))
        self.draw_reply()

    @property
    def _labels(self) -> list[str]:
        wide = self.size.width >= NARROW
        return [f" {i} {name} " if wide or i == self.TAB else f" {i} " for i, name in enumerate(TABS, 1)]

    def corner(self) -> Row:
        return []

    def say(self, name: str, *rows: Row) -> None:
        self.query_one(f"#{name}", Lines).say(*rows)

    # -- filtering ------------------------------------------------------------------------------

    def holds(self, text: str) -> bool:
        """Whether a text has all the words that were typed into the filter."""
        return all(word in text.casefold() for word in self.wanted.casefold().split())

    def action_filter(self) -> None:
        self.query_one(FilterLine).begin()

    def on_filter_line_entered(self, event: FilterLine.Entered) -> None:
        self.wanted = event.text
        self.redraw()

    def on_filter_line_left(self) -> None:
        self.set_focus(self.query_one(f"#{self.KEYS_GO_TO}") if self.KEYS_GO_TO else None)

    def action_scroll_page(self, direction: int) -> None:
        side = self.query_one(f"#{self.scrolls}", Lines)
        side.scroll_relative(y=direction * max(1, side.size.height - 2), animate=False)

    # -- the line that answers ------------------------------------------------------------------

    def answer(self, key: str, text: str, ink: str = "foreground", mark: str = "") -> None:
        """Answer a key of the view."""
        words = [S(f" {mark} " if mark else " ", ink, "b"), S(text, ink)]
        self._said = [S(f" {key} ", "gap", "b", "panel"), *words]
        self._said_at = time.monotonic()
        self.draw_reply()

    def draw_reply(self) -> None:
        """What came of the last key: nothing else is ever written there."""
        if not self._is_composed:
            return
        run = self.store.current
        if self._said and time.monotonic() - self._said_at > READ_WITHIN:
            self._said = []
        self.say("reply", self._said or (reply(run) if run is not None and ENGINE in self.SCOPES else []))

    # -- keys -----------------------------------------------------------------------------------

    def keys(self) -> Iterable[Key]:
        keys = (key for key in keys_of(*self.SCOPES) if key.label)
        offered = self.dashboard.check_action
        return [key for key in keys if key.scope != ENGINE or offered("command", (key.action.split("'")[1],))]

    def _footer(self, width: int) -> Row:
        """Pairs of key and word; where there is no room the last of a side go, but never help and quit."""
        sides: tuple[list[Key], list[Key]] = ([], [])
        for key in self.keys():
            if key.scope != EVERYWHERE:
                sides[key.right].append(key)
        end = [key for key in keys_of(EVERYWHERE) if key.label] if EVERYWHERE in self.SCOPES else []
        while length(_pairs(sides[0])) + length(_pairs([*sides[1], *end])) > width - 1:
            if not (sides[0] or sides[1]):
                break
            view = sides[0] and (width < NARROW or len(sides[0]) > len(sides[1]))
            sides[0 if view else 1].pop()
        left, right = _pairs(sides[0]), _pairs([*sides[1], *end])[:-1]
        self._places = [*_places(sides[0], 1), *_places([*sides[1], *end], width - 1 - length(right))]
        return spread([S(" "), *left], [*right, S(" ")], width)

    def on_click(self, event: events.Click) -> None:
        """A click on a tab or on a pair of the footer does what its key does."""
        widget = event.widget
        if widget is None or widget.id not in {"tabs", "keys"}:
            return
        event.stop()
        places = self._places
        if widget.id == "tabs":
            ends = accumulate((len(label) + 1 for label in self._labels), initial=8 * (self.size.width >= NARROW))
            modes = (f"app.show_mode('{name.lower()}')" for name in TABS)
            places = [(*pair, mode) for pair, mode in zip(pairwise(ends), modes, strict=True)]
        action = next((action for first, last, action in places if first <= event.x < last), "")
        if action:
            self.run_worker(self.run_action(action), name="click")

    def on_screen_resume(self) -> None:
        self.call_after_refresh(self.redraw)

    def on_resize(self) -> None:
        self._redraw_soon()

    def on_lines_resized(self) -> None:
        self._redraw_soon()

    def _redraw_soon(self) -> None:
        """Once, when all widgets have their new sizes."""
        if not self._will_redraw:
            self._will_redraw = True
            self.call_after_refresh(self._redraw_resized)

    def _redraw_resized(self) -> None:
        self._will_redraw = False
        self.redraw()


def _pairs(keys: Iterable[Key]) -> Row:
    spans: Row = []
    for key in keys:
        spans += [S(key.shown, "gap", "b"), S(f" {key.label}", "muted"), S(_BETWEEN)]
    return spans


def _places(keys: Iterable[Key], x: int) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    for key in keys:
        size = length(_pairs([key])) - len(_BETWEEN)
        *first, (_, action) = key.actions
        found += [(x, x + 1, other) for _, other in first]  # of a pair, the left character
        found.append((x, x + size, action))
        x += size + len(_BETWEEN)
    return found
