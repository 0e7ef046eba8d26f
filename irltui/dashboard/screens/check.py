"""Check: is this run about what I meant? What became of the data, the loss mask on real rows, what was set."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal

from irltui.dashboard.head import head
from irltui.dashboard.keymap import CHECK, ENGINE, EVERYWHERE, bindings
from irltui.dashboard.screens.base import NARROW, MainScreen
from irltui.dashboard.store import OpenRun
from irltui.dashboard.widgets.lines import Lines
from irltui.views.check import config_rows, data_rows, mask_rows, spent_row, unread_rows
from irltui.views.replay import Moment
from irltui.views.spans import Row, S, length, wrapped

_BOTH_FROM, _ALL_ROWS_FROM = 120, 30


class CheckScreen(MainScreen):
    TAB, scrolls = 5, "data"
    SCOPES = (CHECK, ENGINE, EVERYWHERE)
    BINDINGS: ClassVar[list[BindingType]] = bindings(*SCOPES)

    def __init__(self) -> None:
        super().__init__()
        self._row = 0
        self._configuration = False  # which side is seen, or scrolls where both are
        self._everything = False

    def body(self) -> ComposeResult:
        yield Lines("head", classes="one")
        with Horizontal(id="both"):
            yield Lines("data")
            yield Lines("values")

    def draw(self) -> None:
        run = self.store.current
        if run is None:
            return
        width = self.size.width
        self.say("head", head(run, Moment(run.history), width, narrow=width < NARROW))
        both = width >= _BOTH_FROM
        data, values = self.query_one("#data", Lines), self.query_one("#values", Lines)
        data.display, values.display = both or not self._configuration, both or self._configuration
        room = (data.room or width) - 1
        data.say(*(row for line in self._data(run, room) for row in wrapped(line, room)))
        rows = config_rows(run.config, run.origins, everything=self._everything)
        words = "every value" if self._everything else "what was set (a shows all)"
        room = (values.room or width) - 1
        values.say([S("Configuration", "foreground", "b"), S(f"  {words}", "muted")], [],
                   *(row for line in rows for row in _value_rows(line, room)))  # fmt: skip

    def _data(self, run: OpenRun, width: int) -> list[Row]:
        data = run.history.data
        if data is None:
            return unread_rows([line.text for line in run.history.log])
        rows: list[Row] = [*data_rows(data.report, run.config, width), spent_row(Moment(run.history)), []]
        if data.masked:
            rows.append([S("Loss mask", "foreground", "b"), S("  shaded tokens are trained on", "muted")])
            self._row %= len(data.masked)
            last = len(data.masked) if self.size.height >= _ALL_ROWS_FROM else self._row + 1
            for at in range(self._row, last):
                rows += mask_rows(data.masked[at], at, len(data.masked), width)
        return rows

    # -- keys ------------------------------------------------------------------------------------

    def action_row(self, direction: int) -> None:
        self._row += direction
        self.redraw()

    def action_other_side(self) -> None:
        self._configuration = not self._configuration
        self.scrolls = "values" if self._configuration else "data"
        self.redraw()

    def action_all_values(self) -> None:
        self._everything = not self._everything
        self.redraw()


def _value_rows(row: Row, width: int) -> list[Row]:
    """A value with who set it, in a second row where both do not fit."""
    if length(row) <= width:
        return [row]
    *value, origin = row
    return [*wrapped(value, width), [S("    "), origin._replace(text=origin.text.strip())]]
